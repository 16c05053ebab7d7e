// The library in a program whose locale writes 1.234.567,5: nothing that it reads, writes or computes may change.
#include "convmixer/core/cpu.hpp"
#include "convmixer/core/threads.hpp"
#include "convmixer/core/trace_json.hpp"
#include "convmixer/train/nearest.hpp"
#include "convmixer/train/option_parser.hpp"
#include "support/comma_locale.hpp"
#include "support/error_of.hpp"
#include "train/trainer_fixture.hpp"

#include <array>
#include <cstdio>

namespace convmixer {
namespace {

using testing_support::CommaLocale;
using testing_support::error_of;
using testing_support::TemporaryFolder;

/// Settings read from an INI file and written again.
std::string settings_read_and_written(const TemporaryFolder& folder) {
  const auto file = folder.write("locale.ini",
                                 "lr = 0.0125\nstd = 0.25,0.5,1.5\nresized-crop = 0.75,1\npad-crop = 0\n"
                                 "auto-augment = rand-m9-mstd0.5-inc1\nweight-decay = 1e-3\nlog-interval = 1234567\n");
  return to_ini(read_config(file));
}

/// What the library makes of numbers, and what it reads them from.
std::vector<std::string> texts(const TemporaryFolder& folder) {
  folder.write("sys/fs/cgroup/cpu.max", "150000 100000\n");
  folder.write("proc/self/cgroup", "0::/\n");
  folder.write("sys/devices/system/cpu/cpu0/cache/index3/level", "3\n");
  folder.write("sys/devices/system/cpu/cpu0/cache/index3/size", "16384K\n");
  constexpr double kDay = 86400.0;
  const TraceName name("step");
  const Trace trace{.duration = 1'234'567'891, .tracks = {{"training", {{name, 1'234'567, 1'500, 2'345'678}}}}};
  return {settings_read_and_written(folder),
          std::to_string(last_level_cache_bytes(folder.path())),
          choose_thread_count(0, folder.path()).reason,
          format_epoch_line({.epoch = 1234, .loss = 0.5, .learning_rate = 0.0125, .images_per_second = 12345.6}, 2000,
                            true, 2.0 * kDay, 0, false),
          format_plain_line({.done = 12345, .images_per_second = 1234.5, .loss = 2.5, .run_seconds_left = 4.5}),
          format_profile(trace, 3),
          to_trace_json(trace, "convmixer", {{"share", fmt::format("{}", 0.5)}}),
          error_of([] { validate({.peak = -1234.5F}); }).what(),
          nearest("KERNEL_SIZE", std::vector<std::string>{"kernel-size"})};
}

class CommaLocaleTest : public TrainerFixture {
 protected:
  /// Says aloud what isn't tested here.
  static void expect_commas() {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f", 0.5);
    if (!CommaLocale::is_of_c()) GTEST_LOG_(WARNING) << "no locale with commas: that of C++ alone is tested";
    EXPECT_STREQ(text.data(), CommaLocale::is_of_c() ? "0,5" : "0.5");
    std::ostringstream stream;
    stream << 1234.5;
    EXPECT_EQ(stream.str(), "1.234,5");
  }
};

TEST_F(CommaLocaleTest, ChangesNoTextAndNoNumber) {
  const TemporaryFolder folder;
  const std::vector<std::string> usual = texts(folder);
  const CommaLocale locale;
  expect_commas();
  EXPECT_EQ(texts(folder), usual);
}

TEST_F(CommaLocaleTest, ChangesNothingOfARun) {
  ASSERT_EQ(train(small_config("usual")), TrainEnd::finished);
  const CommaLocale locale;
  expect_commas();
  const TrainConfig config = small_config("commas");
  ASSERT_EQ(train(config, stopped_after(4)), TrainEnd::signal);
  TrainConfig saved = read_config(RunFolder{config.out}.config());
  EXPECT_EQ(saved.lr, config.lr);
  EXPECT_EQ(saved.mean, config.mean);
  ASSERT_EQ(train(saved), TrainEnd::finished);
  expect_equal_runs(config.out, parent_.path() / "usual");
  EXPECT_EQ(read_checkpoint_info(RunFolder{config.out}.best()).mean, config.mean);
}

}  // namespace
}  // namespace convmixer

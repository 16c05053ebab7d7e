#include "train/event_files.hpp"

#include "io/event_messages.hpp"
#include "io/record_file.hpp"
#include "support/temporary_folder.hpp"
#include "train/event_file_reader.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>

namespace convmixer {
namespace {

namespace fs = std::filesystem;

class EventFilesTest : public testing::Test {
 protected:
  static constexpr const char* kName = "events.out.tfevents.1700000000.host.1.0";

  static std::string heading(std::string_view writer = kEventWriter) {
    return to_record(version_event(1.0, writer)) + to_record(start_event({.wall_seconds = 1.0, .step = 1})) +
           to_record(summary_event({.wall_seconds = 1.0, .step = 0}, std::array{session_start_value(1.0, {})}));
  }
  static std::string scalar(std::string_view tag, std::int64_t step, double value = 0.5) {
    return to_record(summary_event({.wall_seconds = 1.0, .step = step}, std::array{scalar_value(tag, value)}));
  }
  static std::string end(std::int64_t step) {
    return to_record(summary_event({.wall_seconds = 1.0, .step = step}, std::array{session_end_value(1.0, true)}));
  }
  static TrainingPosition at(std::int64_t step, std::int64_t epoch = 0) {
    TrainingPosition position;
    position.step = step;
    position.epoch = epoch;
    return position;
  }

  testing_support::TemporaryFolder folder_;
  RunFolder run_{folder_.path()};
};

TEST_F(EventFilesTest, AreCutBeforeTheFirstLaterStep) {
  const std::string kept = heading() + scalar("loss/train", 4) + scalar("loss/train", 5);
  const fs::path file = folder_.write(kName, kept + scalar("loss/train", 6) + scalar("loss/train", 7));
  EXPECT_TRUE(cut_event_files(run_, at(5)));
  EXPECT_EQ(read_text_file(file), kept);
  EXPECT_TRUE(cut_event_files(run_, at(5)));
  EXPECT_EQ(read_text_file(file), kept);
}

TEST_F(EventFilesTest, AreCutBeforeARecordThatIsTorn) {
  const std::string kept = heading() + scalar("loss/train", 4);
  const fs::path file = folder_.write(kName, kept + scalar("loss/train", 5).substr(0, 20));
  EXPECT_TRUE(cut_event_files(run_, at(9)));
  EXPECT_EQ(read_text_file(file), kept);
}

TEST_F(EventFilesTest, AreCutBeforeTheEndOfAnEpochThatIsNotYetFinished) {
  const std::string kept = heading() + scalar("epoch", 6, 1.0) + scalar("loss/train", 12);
  const fs::path file = folder_.write(kName, kept + scalar("epoch", 12, 2.0));
  EXPECT_TRUE(cut_event_files(run_, at(12, 1)));
  EXPECT_EQ(read_text_file(file), kept);
}

TEST_F(EventFilesTest, AreCutBeforeATestOfWeightsThatAreYetToBeTested) {
  TrainingPosition position = at(12, 2);
  position.test = {.epoch = 1, .loss = 1.0, .accuracy = 0.5};
  const std::string kept = heading() + scalar("epoch/tested", 6, 1.0);
  const fs::path file = folder_.write(kName, kept + scalar("epoch/tested", 12, 2.0));
  EXPECT_TRUE(cut_event_files(run_, position));
  EXPECT_EQ(read_text_file(file), kept);
}

TEST_F(EventFilesTest, AreCutBeforeTheEndOfASessionThatGoesOn) {
  const std::string kept = heading() + scalar("loss/train", 12);
  const fs::path file = folder_.write(kName, kept + end(12));
  EXPECT_TRUE(cut_event_files(run_, at(12)));
  EXPECT_EQ(read_text_file(file), kept);
}

TEST_F(EventFilesTest, AreRemovedWithNothingLeftButTheirHeading) {
  folder_.write(kName, heading() + scalar("loss/train", 6));
  EXPECT_FALSE(cut_event_files(run_, at(5)));
  EXPECT_TRUE(folder_.names().empty());
}

TEST_F(EventFilesTest, OfOtherProgramsStayAsTheyAre) {
  const std::vector<std::string> others{heading("another") + scalar("a", 100), scalar("a", 100), "no record at all",
                                        ""};
  for (std::size_t i = 0; i < others.size(); ++i) folder_.write(fmt::format("events.out.tfevents.{}", i), others[i]);
  fs::create_symlink(folder_.write("elsewhere", heading() + scalar("a", 100)), folder_.path() / kName);
  fs::create_directory(folder_.path() / "events.out.tfevents.folder");
  EXPECT_FALSE(cut_event_files(run_, at(5)));
  for (std::size_t i = 0; i < others.size(); ++i)
    EXPECT_EQ(read_text_file(folder_.path() / fmt::format("events.out.tfevents.{}", i)), others[i]);
  EXPECT_EQ(read_text_file(folder_.path() / "elsewhere"), heading() + scalar("a", 100));
}

TEST_F(EventFilesTest, OfASessionComeAfterThoseOfEarlierOnesWhateverTheClockSays) {
  for (int session = 0; session < 12; ++session) (void)new_event_file(run_, 1'700'000'000 - 100 * session);
  const std::vector<std::string> names = folder_.names();
  ASSERT_EQ(names.size(), 12U);
  for (std::size_t session = 0; session < 12; ++session) {
    EXPECT_TRUE(names[session].starts_with(fmt::format("events.out.tfevents.{}.", 1'700'000'000 + session)))
        << names[session];
  }
}

TEST_F(EventFilesTest, HaveNamesThatHostileNamesOfOthersDoNotDisturb) {
  for (const char* seconds : {"99999999999999999999999", "-5", "", "12345678ab", "\xff\xfe"})
    folder_.write(std::string("events.out.tfevents.") + seconds, "");
  (void)new_event_file(run_, 1'700'000'000);
  EXPECT_EQ(event_files_of(folder_.path()).size(), 6U);
  EXPECT_TRUE(std::ranges::any_of(
      folder_.names(), [](const std::string& name) { return name.starts_with("events.out.tfevents.1700000000."); }));
}

}  // namespace
}  // namespace convmixer

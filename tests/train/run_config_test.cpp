#include "convmixer/train/run_config.hpp"

#include "convmixer/core/file.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "support/time_limit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sys/stat.h>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing_support::error_of;
using testing_support::TemporaryFolder;

/// As many pixels as asked for, all of one colour: nothing varies, so its standard deviation is the smallest there is.
class PlainImages : public Dataset {
 public:
  explicit PlainImages(int size) : size_(size), pixels_(std::size_t{3} * static_cast<std::size_t>(size * size), 7) {}
  [[nodiscard]] std::int64_t size() const override { return 1; }
  [[nodiscard]] int channels() const override { return 3; }
  [[nodiscard]] int image_size() const override { return size_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return names_; }
  [[nodiscard]] std::span<const std::uint8_t> image(std::int64_t) const override { return pixels_; }
  [[nodiscard]] std::int32_t label(std::int64_t) const override { return 0; }

 private:
  int size_;
  std::vector<std::uint8_t> pixels_;
  std::vector<std::string> names_{"only", "none"};
};

class RunConfig : public testing::Test {
 protected:
  [[nodiscard]] RunFolder folder() const { return {parent_.path()}; }
  [[nodiscard]] TrainConfig written_and_read(const TrainConfig& config) const {
    write_run_config(folder(), config);
    return read_run_config(folder());
  }

  TemporaryFolder parent_;
};

TEST_F(RunConfig, OfImagesOfAnySizeThatADataSetMayHaveIsReadAgain) {
  for (const int size : {1, 1023, 1100, kLargestImageSize}) {
    TrainConfig config;
    config.dataset = "folder";
    config.augmentation.pad_crop = 0;
    resolve(config, PlainImages(size));
    require_storable(config);
    const TrainConfig read = written_and_read(config);
    EXPECT_EQ(read.image_size, size);
    EXPECT_EQ(to_ini(read), to_ini(config));
  }
}

TEST_F(RunConfig, OfTheLargestAndSmallestValuesOfEveryOptionIsReadAgain) {
  TrainConfig config;
  config.batch_size = 65536;
  config.train_images = std::numeric_limits<std::int64_t>::max();
  config.seed = std::numeric_limits<std::uint64_t>::max();
  config.lr = std::numeric_limits<float>::max();
  config.mean = {-std::numeric_limits<float>::max(), std::numeric_limits<float>::denorm_min(), 0.1F};
  config.std = {1e-6F, 1e-6F, std::numeric_limits<float>::max()};
  config.max_time = 315'359'999;
  config.threads = 4096;
  config.out = "a folder/with = and ; and 'quotes'";
  require_storable(config);
  EXPECT_EQ(to_ini(written_and_read(config)), to_ini(config));
}

TEST_F(RunConfig, RefusesValuesThatCouldNotBeReadAgain) {
  const auto refusal = [](auto change) {
    TrainConfig config;
    change(config);
    return std::string(error_of([&] { require_storable(config); }).what());
  };
  EXPECT_EQ(refusal([](TrainConfig& c) { c.image_size = 5000; }),
            "image-size = 5000: expected a whole number from 0 to 4096");
  EXPECT_THAT(refusal([](TrainConfig& c) { c.batch_size = 70'000; }), HasSubstr("batch-size = 70000"));
  EXPECT_THAT(refusal([](TrainConfig& c) { c.out = "runs/#1"; }), HasSubstr("out = runs/#1: expected a path without"));
  EXPECT_THAT(refusal([](TrainConfig& c) { c.mean = {std::nanf("")}; }), HasSubstr("mean = nan"));
}

TEST_F(RunConfig, KeepsThePathsOfItsDataForAnyFolder) {
  TrainConfig config;
  config.data = "somewhere/images";
  config.data_cache = "../cache";
  const TrainConfig read = written_and_read(config);
  EXPECT_EQ(read.data, fs::current_path() / "somewhere/images");
  EXPECT_EQ(read.data_cache, fs::current_path() / "../cache");
  EXPECT_EQ(written_and_read({}).data, "");
}

TEST_F(RunConfig, KeepsAPathAsItIsWhereTheWholeOneHasNoPlaceInAFile) {
  const fs::path before = fs::current_path();
  fs::create_directory(parent_.path() / "#1");
  fs::current_path(parent_.path() / "#1");
  TrainConfig config;
  config.data = "images";
  const TrainConfig read = written_and_read(config);
  fs::current_path(before);
  EXPECT_EQ(read.data, "images");
}

TEST_F(RunConfig, ThatNamesNoChoiceOfTestImagesIsAnEarlierReleases) {
  EXPECT_EQ(written_and_read({}).test_choice, TestChoice::name);
  std::string text = read_text_file(folder().config());
  text.erase(text.find("test-choice"), std::string("test-choice = name\n").size());
  write_file_atomically(folder().config(), text);
  EXPECT_EQ(read_run_config(folder()).test_choice, TestChoice::path);
}

TEST_F(RunConfig, RefusesAnEmptyFile) {
  write_file_atomically(folder().config(), "");
  EXPECT_THAT(error_of([&] { (void)read_run_config(folder()); }).what(),
              AllOf(HasSubstr("config.ini: holds no settings"), HasSubstr("a copy of the run's configuration")));
}

TEST_F(RunConfig, OfDrawnShapesNamesNoData) {
  write_file_atomically(folder().config(), "dataset = shapes\ndata = /photos\n");  // as earlier releases took it
  EXPECT_EQ(read_run_config(folder()).data, "");
  TrainConfig config;
  config.dataset = "shapes";
  take_data("/other", config);
  EXPECT_EQ(config.data, "");
}

TEST_F(RunConfig, TakesItsOwnDataSetWhereThatLiesElseWhatDoes) {
  parent_.write("archives/cifar-10-binary.tar.gz", "");
  parent_.write("archives/cifar-100-binary.tar.gz", "");
  parent_.write("packed.safetensors", "no matter what");
  const auto taken = [&](const std::string& dataset, const char* data) {
    TrainConfig config;
    config.dataset = dataset;
    config.test_folder = "val";  // of a folder of images; what lies there now may be none
    take_data(parent_.path() / data, config);
    EXPECT_EQ(config.data, parent_.path() / data);
    return config.dataset;
  };
  for (const char* own : {"cifar10", "cifar100", "cifar100-coarse"}) EXPECT_EQ(taken(own, "archives"), own);
  for (const char* own : {"folder", "packed"}) EXPECT_EQ(taken(own, "archives"), "auto");
  EXPECT_EQ(taken("folder", "packed.safetensors"), "auto");
}

TEST_F(RunConfig, WaitsForNoPipe) {
  ASSERT_EQ(::mkfifo(folder().config().c_str(), 0600), 0);
  const testing_support::TimeLimit limit(10);
  EXPECT_THAT(error_of([&] { (void)read_run_config(folder()); }).what(),
              HasSubstr("config.ini: expected a file, found something else"));
}

TEST_F(RunConfig, NamesTheWayOutWhenItsDataIsNotThere) {
  TrainConfig config;
  require_data(folder(), config);
  config.data = parent_.path();
  require_data(folder(), config);
  config.data = "nowhere/images";
  const Error error = error_of([&] { require_data(folder(), config); });
  EXPECT_EQ(error.kind(), ErrorKind::failure);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("nowhere/images"), HasSubstr("seen from " + fs::current_path().string()),
                                  HasSubstr("say where it is now with --data")));
}

}  // namespace
}  // namespace convmixer

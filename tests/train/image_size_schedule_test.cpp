#include "convmixer/train/image_size_schedule.hpp"

#include "convmixer/data/open_dataset.hpp"
#include "convmixer/train/config.hpp"
#include "support/error_of.hpp"

#include <gtest/gtest.h>

namespace convmixer {
namespace {

using testing_support::error_of;

TrainConfig config_with(const std::string& sizes) {
  TrainConfig config;
  config.model = ConvMixerConfig{.dim = 16, .depth = 1, .kernel_size = 3, .patch_size = 4};
  config.dataset = "shapes";
  config.epochs = 10;
  config.image_sizes = parse_image_sizes(sizes).value();
  return config;
}

std::string refusal(const std::string& sizes) {
  const auto dataset = open_dataset({.name = "shapes", .path = {}, .limit = 20}, Split::train);
  TrainConfig config = config_with(sizes);
  const Error error = error_of([&] { resolve(config, *dataset); });
  EXPECT_EQ(error.kind(), ErrorKind::usage);
  return error.what();
}

TEST(ImageSizeSchedule, IsRefusedWhereItMakesNoSense) {
  EXPECT_EQ(refusal("16:0.5,32:0.6"), "image-sizes = 16:0.5,32:0.6: its shares add up to 1.1, expected 1");
  EXPECT_EQ(refusal("18:0.5,32:0.5"),
            "image-sizes = 18:0.5,32:0.5: 18 pixels, expected a multiple of 4 for ConvMixer-16/1, kernel 3, patch 4");
  EXPECT_EQ(refusal("16:0.5,40:0.5"), "image-sizes = 16:0.5,40:0.5: 40 pixels, expected at most the images' own 32");
  EXPECT_EQ(refusal("32:0.5,16:0.5"),
            "image-sizes = 32:0.5,16:0.5: it ends with 16 pixels, expected the images' own 32 at last, which tests are "
            "on");
}

TEST(ImageSizeSchedule, DecidesTheLoadersSizesAndWhatARunComputes) {
  const TrainConfig config = config_with("16:0.4,24:0.3,32:0.3");
  const std::vector<ImageSizeStretch> expected{{16, 0, 4}, {24, 4, 7}, {32, 7, 10}};
  EXPECT_EQ(image_size_stretches(config), expected);
  EXPECT_EQ(loader_options(config, Split::train).image_sizes, expected);
  EXPECT_TRUE(loader_options(config, Split::test).image_sizes.empty());
  EXPECT_EQ(fingerprint(config).at("image-sizes"), "16:0.4,24:0.3,32:0.3");
  EXPECT_EQ(fingerprint(config_with("off")).at("image-sizes"), "off");
}

TEST(ImageSizeSchedule, KeepsTheNumberOfEpochsAsItIsStretchedOverThem) {
  TrainConfig config = config_with("16:0.5,32:0.5");
  config.schedule = ScheduleKind::constant;
  EXPECT_TRUE(fingerprint(config).contains("epochs"));
  config.image_sizes.clear();
  EXPECT_FALSE(fingerprint(config).contains("epochs"));
}

}  // namespace
}  // namespace convmixer

#include "convmixer/data/image_sizes.hpp"

#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;

/// The first epochs of all stretches, and the end of the last.
std::vector<std::int64_t> borders(const std::string& shares, std::int64_t epochs) {
  std::vector<std::int64_t> result;
  const std::vector<ImageSizeStretch> stretches = image_size_stretches(parse_image_sizes(shares).value(), epochs);
  for (const ImageSizeStretch& stretch : stretches) {
    if (result.empty()) result.push_back(stretch.first_epoch);
    EXPECT_EQ(result.back(), stretch.first_epoch);
    result.push_back(stretch.end_epoch);
  }
  return result;
}

TEST(ImageSizes, AreReadAndWrittenBack) {
  const auto shares = parse_image_sizes("16:0.4, 24:0.3,32:0.3");
  ASSERT_TRUE(shares);
  EXPECT_EQ(*shares, (std::vector<ImageSizeShare>{{16, 0.4}, {24, 0.3}, {32, 0.3}}));
  EXPECT_EQ(to_string(*shares), "16:0.4,24:0.3,32:0.3");
  EXPECT_EQ(parse_image_sizes("off"), std::vector<ImageSizeShare>{});
  EXPECT_EQ(to_string(std::vector<ImageSizeShare>{}), "off");
  for (const char* wrong : {"", "16", "16:", ":0.5", "16:0.5,", "16:0", "16:-1", "16:1.5", "0:1", "-8:1", "16:x", "x:1",
                            "16:nan", "16:0.5;32:0.5", "16.5:1"})
    EXPECT_FALSE(parse_image_sizes(wrong)) << wrong;
}

TEST(ImageSizes, ChangeAtTheWholeEpochsNearestToTheirShares) {
  EXPECT_EQ(borders("16:0.4,24:0.3,32:0.3", 10), (std::vector<std::int64_t>{0, 4, 7, 10}));
  EXPECT_EQ(borders("16:0.4,24:0.3,32:0.3", 25), (std::vector<std::int64_t>{0, 10, 18, 25})) << "17.5 is rounded up";
  EXPECT_EQ(borders("16:0.4,24:0.3,32:0.3", 3), (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(borders("32:1", 7), (std::vector<std::int64_t>{0, 7}));
  EXPECT_EQ(borders("8:0.3333,16:0.3333,32:0.3334", 100), (std::vector<std::int64_t>{0, 33, 67, 100}));
  // Cumulative: each rounded by itself, 7 x 0.7 would make 7 epochs of 5.
  EXPECT_EQ(borders("4:0.14,8:0.14,12:0.14,16:0.14,20:0.14,24:0.15,32:0.15", 7),
            (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(ImageSizes, AreRefusedWhenSharesDontAddUpOrMakeNoEpoch) {
  const auto refusal = [](const std::string& shares, std::int64_t epochs) {
    const Error error = error_of([&] { (void)image_size_stretches(parse_image_sizes(shares).value(), epochs); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return std::string(error.what());
  };
  EXPECT_EQ(refusal("16:0.4,32:0.5", 10), "image-sizes = 16:0.4,32:0.5: its shares add up to 0.9, expected 1");
  EXPECT_EQ(refusal("16:0.1,32:0.9", 4),
            "image-sizes = 16:0.1,32:0.9: 16 pixels have a share of 0.1, no whole one of the 4 epochs; expected more "
            "epochs, or fewer sizes");
}

TEST(ImageSizes, AreRefusedWhenAShareIsNegativeOrNoNumber) {
  const auto refusal = [](const std::vector<ImageSizeShare>& shares) {
    const Error error = error_of([&] { (void)image_size_stretches(shares, 10); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return std::string(error.what());
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(refusal({{16, nan}, {32, 0.5}}), "image-sizes = 16:nan,32:0.5: its shares add up to nan, expected 1");
  EXPECT_EQ(
      refusal({{16, 1.5}, {32, -0.5}}),
      "image-sizes = 16:1.5,32:-0.5: 32 pixels have a share of -0.5, no whole one of the 10 epochs; expected more "
      "epochs, or fewer sizes");
  EXPECT_EQ(
      refusal({{16, -0.5}, {32, 1.5}}),
      "image-sizes = 16:-0.5,32:1.5: 16 pixels have a share of -0.5, no whole one of the 10 epochs; expected more "
      "epochs, or fewer sizes");
}

TEST(ImageSizes, OfAnEpochAreThoseOfItsStretch) {
  const auto stretches = image_size_stretches(parse_image_sizes("16:0.5,24:0.25,32:0.25").value(), 8);
  for (const auto& [epoch, size] :
       std::vector<std::pair<int, int>>{{0, 16}, {3, 16}, {4, 24}, {5, 24}, {6, 32}, {9, 32}})
    EXPECT_EQ(image_size_in(stretches, epoch, 32), size) << epoch;
  EXPECT_EQ(image_size_in({}, 3, 32), 32);
  EXPECT_EQ(distinct_sizes(image_size_stretches(parse_image_sizes("16:0.2,32:0.3,16:0.2,32:0.3").value(), 10), 32),
            (std::vector<int>{32, 16}));
  EXPECT_EQ(distinct_sizes({}, 32), std::vector<int>{32});
}

}  // namespace
}  // namespace convmixer

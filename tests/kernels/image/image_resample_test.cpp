#include "kernels/image/image_resample.hpp"

#include "data/augment/resize.hpp"
#include "support/random_bytes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace convmixer::kernels {
namespace {

using testing_support::random_bytes;

constexpr std::uint8_t kUntouched = 77;
constexpr std::array kSizes{1, 2, 5, 9, 15, 16, 17, 28, 31, 32, 33, 100};

/// The plain twin: one output pixel from pixels `step` bytes apart.
std::uint8_t plain_sum(const std::uint8_t* pixels, std::size_t step, const ResizeWeights& weights, std::size_t i) {
  std::int64_t sum = 1 << (kResampleBits - 1);
  for (std::size_t k = 0; k < static_cast<std::size_t>(weights.taps); ++k)
    sum += std::int64_t{pixels[(static_cast<std::size_t>(weights.first[i]) + k) * step]} *
           weights.weight[i * static_cast<std::size_t>(weights.taps) + k];
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>(sum >> kResampleBits, 0, 255));
}

template <typename Test>
void for_all_sizes(const Test& test) {
  for (const ResizeFilter filter : {ResizeFilter::bilinear, ResizeFilter::bicubic}) {
    for (const int in : kSizes) {
      for (const int out : kSizes) {
        SCOPED_TRACE(testing::Message() << in << " to " << out << " pixels, filter " << static_cast<int>(filter));
        test(static_cast<std::size_t>(in), static_cast<std::size_t>(out), ResizeWeights(in, out, filter));
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(ImageResample, RowsMatchThePlainTwin) {
  for_all_sizes([](std::size_t in, std::size_t out, const ResizeWeights& weights) {
    const std::size_t stride = in + 3;
    const auto image = random_bytes(4 * stride + in, 1);  // nothing after the last row
    std::vector<std::uint8_t> expected;
    for (std::size_t row = 0; row < 5; ++row) {
      for (std::size_t x = 0; x < out; ++x) expected.push_back(plain_sum(image.data() + row * stride, 1, weights, x));
    }
    expected.push_back(kUntouched);
    std::vector<std::uint8_t> found(5 * out + 1, kUntouched);
    const auto taps = static_cast<std::size_t>(weights.taps);
    const ResampleWindows windows{taps, weights.first, weights.weight};
    resample_rows(image.data(), stride, 5, windows,
                  {taps, weights.group_start, weights.group_offset, weights.group_weight}, out, found.data());
    ASSERT_EQ(found, expected);
    resample_rows(image.data(), stride, 5, windows, {}, out, found.data());
    ASSERT_EQ(found, expected) << "one by one";
  });
}

TEST(ImageResample, ColumnsMatchThePlainTwin) {
  for_all_sizes([](std::size_t in, std::size_t out, const ResizeWeights& weights) {
    for (const std::size_t width : {1U, 7U, 16U, 33U}) {
      const std::size_t stride = width + 2;
      const auto image = random_bytes((in - 1) * stride + width, 2);
      std::vector<std::uint8_t> expected;
      for (std::size_t y = 0; y < out; ++y) {
        for (std::size_t x = 0; x < width; ++x) expected.push_back(plain_sum(image.data() + x, stride, weights, y));
      }
      expected.push_back(kUntouched);
      std::vector<std::uint8_t> found(out * width + 1, kUntouched);
      resample_columns(image.data(), stride, width,
                       {static_cast<std::size_t>(weights.taps), weights.first, weights.weight}, out, found.data());
      ASSERT_EQ(found, expected) << width;
    }
  });
}

TEST(ResizeWeights, AddUpToOneAndLieInside) {
  for_all_sizes([](std::size_t in, std::size_t out, const ResizeWeights& weights) {
    ASSERT_EQ(weights.first.size(), out);
    for (std::size_t i = 0; i < out; ++i) {
      ASSERT_TRUE(weights.first[i] >= 0 && weights.first[i] + weights.taps <= static_cast<int>(in));
      const auto begin = weights.weight.begin() + static_cast<std::ptrdiff_t>(i) * weights.taps;
      ASSERT_NEAR(std::accumulate(begin, begin + weights.taps, 0), 1 << kResampleBits, weights.taps);
    }
  });
}

TEST(ResizeWeights, TakeFourPixelsAtATimeForTheCropsOfTheRecipes) {
  for (const ResizeFilter filter : {ResizeFilter::bilinear, ResizeFilter::bicubic}) {
    for (int side = 24; side < 32; ++side) EXPECT_EQ(ResizeWeights(side, 32, filter).group_start.size(), 8U) << side;
    EXPECT_TRUE(ResizeWeights(15, 32, filter).group_start.empty());   // fewer pixels than a group reads
    EXPECT_TRUE(ResizeWeights(224, 32, filter).group_start.empty());  // windows too wide
  }
  EXPECT_EQ(ResizeWeights(28, 32, ResizeFilter::bilinear).taps, 2);
  EXPECT_EQ(ResizeWeights(28, 32, ResizeFilter::bicubic).taps, 4);
}

}  // namespace
}  // namespace convmixer::kernels

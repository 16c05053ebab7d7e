#include "kernels/image/image_blend.hpp"

#include "support/random_bytes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace convmixer::kernels {
namespace {

using testing_support::random_bytes;

constexpr std::array<std::size_t, 14> kCounts{1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 1024, 1031};
constexpr std::array kFactors{0.0F, 0.1F, 0.64F, 0.9347F, 1.0F, 1.36F, 1.9F, 5.0F};
constexpr std::uint8_t kUntouched = 77;

/// The plain twins.
std::uint8_t plain_blend(int from, int to, float factor) {
  const volatile float product = factor * static_cast<float>(to - from);  // never fused with the sum
  return static_cast<std::uint8_t>(std::clamp(static_cast<float>(from) + product, 0.0F, 255.0F));
}

int plain_grey(const std::vector<std::uint8_t>& image, std::size_t i) {
  const std::size_t plane = image.size() / 3;
  return (19595 * image[i] + 38470 * image[plane + i] + 7471 * image[2 * plane + i] + 32768) >> 16;
}

TEST(ImageBlend, WithAConstantMatchesThePlainTwin) {
  for (const std::size_t count : kCounts) {
    const auto image = random_bytes(count, 1);
    for (const float factor : kFactors) {
      for (const std::uint8_t constant : std::initializer_list<std::uint8_t>{0, 1, 99, 255}) {
        std::vector<std::uint8_t> expected;
        for (const std::uint8_t value : image) expected.push_back(plain_blend(constant, value, factor));
        expected.push_back(kUntouched);
        std::vector<std::uint8_t> out(count + 1, kUntouched);
        blend_with_constant(constant, image.data(), count, factor, out.data());
        ASSERT_EQ(out, expected) << count << " bytes, " << factor << ", " << int{constant};
      }
    }
  }
}

TEST(ImageBlend, WithGreyMatchesThePlainTwin) {
  for (const std::size_t plane : kCounts) {
    const auto image = random_bytes(3 * plane, 2);
    for (const float factor : kFactors) {
      std::vector<std::uint8_t> expected;
      for (std::size_t i = 0; i < image.size(); ++i)
        expected.push_back(plain_blend(plain_grey(image, i % plane), image[i], factor));
      expected.push_back(kUntouched);
      std::vector<std::uint8_t> out(image.size() + 1, kUntouched);
      blend_with_grey(image.data(), plane, factor, out.data());
      ASSERT_EQ(out, expected) << plane << " pixels, " << factor;
    }
  }
}

TEST(ImageBlend, SumsGreysAsThePlainTwin) {
  for (const std::size_t plane : kCounts) {
    const auto image = random_bytes(3 * plane, 3);
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < plane; ++i) expected += static_cast<std::uint64_t>(plain_grey(image, i));
    EXPECT_EQ(sum_of_greys(image.data(), plane), expected) << plane;
  }
  const std::vector<std::uint8_t> white(std::size_t{3} * 5000 * 5000, 255);  // more than 32 bits hold
  EXPECT_EQ(sum_of_greys(white.data(), white.size() / 3), 255ULL * 5000 * 5000);
}

TEST(ImageBlend, WithTheSmoothedRowMatchesThePlainTwin) {
  for (const std::size_t width : kCounts) {
    if (width < 3) continue;
    for (const float factor : kFactors) {
      const auto rows = random_bytes(3 * width, 4);
      std::vector<std::uint8_t> expected{kUntouched};
      for (std::size_t x = 1; x + 1 < width; ++x) {
        int sum = 4 * rows[width + x];
        for (std::size_t row = 0; row < 3; ++row)
          for (std::size_t column = x - 1; column <= x + 1; ++column) sum += rows[row * width + column];
        const auto mean = static_cast<int>(static_cast<double>(sum) / 13.0 + 0.5);
        expected.push_back(plain_blend(mean, rows[width + x], factor));
      }
      expected.push_back(kUntouched);
      std::vector<std::uint8_t> out(width, kUntouched);
      blend_with_smooth(rows.data(), rows.data() + width, rows.data() + 2 * width, width, factor, out.data());
      ASSERT_EQ(out, expected) << width << " pixels, " << factor;
    }
  }
}

TEST(ImageBlend, RoundsEverySumOfTheSmoothingKernel) {
  for (int sum = 0; sum <= 13 * 255; ++sum) {
    std::vector<std::uint8_t> rows(9);
    rows[4] = sum > 2000 ? 255 : 0;
    int left = sum - 5 * rows[4];
    for (const std::size_t neighbour : {0U, 1U, 2U, 3U, 5U, 6U, 7U, 8U}) {
      rows[neighbour] = static_cast<std::uint8_t>(std::min(255, left));
      left -= rows[neighbour];
    }
    ASSERT_EQ(left, 0);
    std::vector<std::uint8_t> out(3);
    blend_with_smooth(rows.data(), rows.data() + 3, rows.data() + 6, 3, 0.0F, out.data());
    ASSERT_EQ(out[1], static_cast<int>(sum / 13.0 + 0.5)) << sum;
  }
}

}  // namespace
}  // namespace convmixer::kernels

#include "data/augment/reduction.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace convmixer {
namespace {

/// Pixel (y, x) of the image that the expected bytes were made of.
std::uint8_t pixel(int y, int x) { return static_cast<std::uint8_t>(31 * y + 57 * x + 13 * x * y); }

std::vector<std::uint8_t> reduced(int from, int to, int channels = 1) {
  std::vector<std::uint8_t> image;
  for (int channel = 0; channel < channels; ++channel)
    for (int y = 0; y < from; ++y)
      for (int x = 0; x < from; ++x) image.push_back(static_cast<std::uint8_t>(pixel(y, x) ^ (255 * (channel % 2))));
  const Reduction reduction({channels, from, from}, to);
  EXPECT_EQ(reduction.shape(), (ImageShape{channels, to, to}));
  std::vector<std::uint8_t> working(reduction.working_bytes());
  std::vector<std::uint8_t> out(reduction.shape().bytes());
  reduction.reduce(image, working, out);
  return out;
}

// Of PIL: Image.fromarray(image).resize((n, n), Image.BILINEAR); torchvision's F.resize of a PIL image is the same.
TEST(Reduction, GivesEveryByteThatPilGives) {
  EXPECT_EQ(reduced(8, 4),
            (std::vector<std::uint8_t>{70, 156, 129, 104, 123, 134, 137, 132, 131, 113, 136, 143, 132, 103, 138, 163}));
  EXPECT_EQ(reduced(8, 5), (std::vector<std::uint8_t>{38,  133, 172, 101, 106, 93,  156, 128, 145, 116, 146, 117, 138,
                                                      113, 144, 122, 112, 106, 166, 161, 158, 92,  116, 141, 163}));
  EXPECT_EQ(reduced(8, 6), (std::vector<std::uint8_t>{27,  101, 174, 146, 89,  108, 70,  162, 158, 122, 148, 86,
                                                      116, 135, 113, 158, 114, 179, 142, 134, 122, 115, 114, 131,
                                                      133, 108, 91,  161, 174, 174, 175, 78,  106, 114, 143, 172}));
}

TEST(Reduction, OfTheUsualSizesHasPilsBytes) {
  // Sums over i of i * byte i, modulo 1000003.
  for (const auto& [size, expected] :
       std::vector<std::pair<int, std::int64_t>>{{16, 228431}, {20, 301439}, {24, 376803}, {28, 621616}}) {
    const std::vector<std::uint8_t> out = reduced(32, size);
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += static_cast<std::int64_t>(i) * out[i];
    EXPECT_EQ(sum % 1000003, expected) << size;
  }
}

TEST(Reduction, TakesEachChannelByItself) {
  const std::vector<std::uint8_t> all = reduced(8, 4, 3);
  const std::vector<std::uint8_t> one = reduced(8, 4);
  EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin()));
  EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + 32));
  EXPECT_NE(std::vector<std::uint8_t>(all.begin() + 16, all.begin() + 32), one);
}

}  // namespace
}  // namespace convmixer

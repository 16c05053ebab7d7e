#include "kernels/image/image_nearest.hpp"

#include "support/random_bytes.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace convmixer::kernels {
namespace {

using testing_support::random_bytes;

constexpr std::uint8_t kUntouched = 77;

/// The plain twin.
std::vector<std::uint8_t> plain_transform(const FixedAffine& a, const std::vector<std::uint8_t>& image, int channels,
                                          int height, int width) {
  std::vector<std::uint8_t> out(image.size(), kUntouched);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const int from_x = (a.x + y * a.row_x + x * a.step_x) >> 16;
      const int from_y = (a.y + y * a.row_y + x * a.step_y) >> 16;
      if (from_x < 0 || from_x >= width || from_y < 0 || from_y >= height) continue;
      for (int channel = 0; channel < channels; ++channel)
        out[static_cast<std::size_t>((channel * height + y) * width + x)] =
            image[static_cast<std::size_t>((channel * height + from_y) * width + from_x)];
    }
  }
  return out;
}

TEST(ImageNearest, MatchesThePlainTwinForAnyMatrixAndShape) {
  Rng rng(5, RandomStream::synthetic_data);
  const auto between = [&](int low, int high) {
    return low + static_cast<int>(rng.below(static_cast<std::uint32_t>(high - low + 1)));
  };
  for (const int channels : {1, 2, 3}) {
    for (const auto& [height, width] : {std::pair{1, 1}, {5, 7}, {32, 32}, {9, 300}, {40, 17}}) {
      const auto size = static_cast<std::size_t>(channels * height * width);
      const auto image = random_bytes(size, 6);
      for (int i = 0; i < 300; ++i) {
        FixedAffine affine{.x = between(-40 << 16, 40 << 16),
                           .y = between(-20 << 16, 20 << 16),
                           .step_x = between(-70'000, 70'000),
                           .step_y = between(-70'000, 70'000),
                           .row_x = between(-70'000, 70'000),
                           .row_y = between(-70'000, 70'000)};
        if (i % 3 == 0) affine.step_x = 65536;  // shears and translations
        if (i % 6 == 0) affine.step_y = 0;
        if (i % 9 == 0) affine.row_y = 65536;
        std::vector<std::uint8_t> out(size, kUntouched);
        transform_fixed(affine, image.data(), static_cast<std::size_t>(channels), height, width, out.data());
        ASSERT_EQ(out, plain_transform(affine, image, channels, height, width))
            << height << " x " << width << ", " << i;
      }
    }
  }
}

}  // namespace
}  // namespace convmixer::kernels

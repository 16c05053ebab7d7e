// The patches of a convolution against its definition.
#include "kernels/fused/patches.hpp"

#include "kernels/fused/stage_values.hpp"

#include <gtest/gtest.h>

namespace convmixer::kernels {
namespace {

using namespace testing_support;

std::vector<PatchGeometry> geometries() {
  std::vector<PatchGeometry> all{{.channels = 3,  // overlapping, more padding before than after
                                  .height = 7,
                                  .width = 9,
                                  .kernel = 5,
                                  .stride = 2,
                                  .padding_begin = 3,
                                  .out_height = 4,
                                  .out_width = 5}};
  for (const std::size_t patch : std::initializer_list<std::size_t>{1, 2, 3, 4, 7}) {
    for (const std::size_t channels : std::initializer_list<std::size_t>{1, 3}) {
      // What a patch doesn't fit into at the lower and right edge is left out.
      for (const auto& [height, width] : {std::pair<std::size_t, std::size_t>{7, 7}, {12, 29}, {32, 32}}) {
        all.push_back({channels, height, width, patch, patch, 0, height / patch, width / patch});
      }
    }
  }
  return all;
}

/// What filter value (c, i, j) meets at output pixel (y, x).
float expected_value(const PatchGeometry& g, const Values<float>& image, std::size_t row, std::size_t column) {
  const auto signed_of = [](std::size_t value) { return static_cast<std::int64_t>(value); };
  const std::size_t c = column / (g.kernel * g.kernel);
  const auto y = signed_of(row / g.out_width * g.stride + column / g.kernel % g.kernel) - signed_of(g.padding_begin);
  const auto x = signed_of(row % g.out_width * g.stride + column % g.kernel) - signed_of(g.padding_begin);
  if (y < 0 || x < 0 || y >= signed_of(g.height) || x >= signed_of(g.width)) return 0.0F;
  return image[(c * g.height + static_cast<std::size_t>(y)) * g.width + static_cast<std::size_t>(x)];
}

TEST(Patches, AreWhatAConvolutionSeesAtEachPixel) {
  for (const PatchGeometry& g : geometries()) {
    SCOPED_TRACE(fmt::format("{} x {} x {}, patch {}, stride {}", g.channels, g.height, g.width, g.kernel, g.stride));
    ASSERT_EQ(g.rows(), g.out_height * g.out_width);
    ASSERT_EQ(g.columns(), g.channels * g.kernel * g.kernel);
    const auto image = random_values<float>(g.channels * g.height * g.width, 1);
    const std::size_t padded = padded_channels(g.columns());
    for (const bool blocked : {false, true}) {
      const RowLayout layout =
          blocked ? RowLayout{kChannelBlock, g.rows() * kChannelBlock} : RowLayout{g.columns(), kChannelBlock};
      const std::size_t end = blocked ? padded : g.columns();
      auto in_f32 = untouched<float>(g.rows() * end);
      auto in_bf16 = untouched<Bf16>(g.rows() * end);
      extract_patches(g, image.data(), layout, in_f32.data());
      extract_patches(g, image.data(), layout, in_bf16.data());
      auto by_rows_in_f32 = untouched<float>(in_f32.size());
      auto by_rows_in_bf16 = untouched<Bf16>(in_bf16.size());
      for (std::size_t out_y = g.out_height; out_y-- > 0;) {  // in any order
        extract_row_of_patches(g, image.data(), out_y, layout, by_rows_in_f32.data());
        extract_row_of_patches(g, image.data(), out_y, layout, by_rows_in_bf16.data());
      }
      EXPECT_EQ(std::memcmp(by_rows_in_f32.data(), in_f32.data(), in_f32.size() * sizeof(float)), 0);
      EXPECT_EQ(std::memcmp(by_rows_in_bf16.data(), in_bf16.data(), in_bf16.size() * sizeof(Bf16)), 0);
      for (std::size_t row = 0; row < g.rows(); ++row) {
        for (std::size_t column = 0; column < end; ++column) {
          const std::size_t at = row * layout.row + column / kChannelBlock * layout.block + column % kChannelBlock;
          const float expected = column < g.columns() ? expected_value(g, image, row, column) : 0.0F;
          ASSERT_EQ(in_f32[at], expected) << "row " << row << ", column " << column;
          ASSERT_EQ(in_bf16[at].bits, to_bf16(expected)) << "row " << row << ", column " << column;
        }
      }
    }
  }
}

}  // namespace
}  // namespace convmixer::kernels

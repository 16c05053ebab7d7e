#include "convmixer/figures/filters.hpp"

#include "convmixer/model/convmixer.hpp"
#include "data/decode/image_file.hpp"
#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string_view>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;
using Rgb = std::array<int, 3>;

constexpr Rgb kLine{64, 64, 64};
constexpr Rgb kWhite{247, 247, 247};
constexpr Rgb kRed{103, 0, 31};
constexpr Rgb kBlue{5, 48, 97};

struct Drawn {
  DecodedImage image;

  explicit Drawn(const FilterImage& filters) : image(decode_image(std::as_bytes(std::span(filters.png.bytes)))) {}

  [[nodiscard]] Rgb at(int x, int y) const {
    const auto plane = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
    const auto place =
        static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x);
    return {image.pixels[place], image.pixels[plane + place], image.pixels[2 * plane + place]};
  }
};

/// A ConvMixer whose filters are given.
struct Model {
  Graph graph;
  Parameters parameters;

  explicit Model(const ConvMixerConfig& config) : graph(make_convmixer(config)), parameters(graph) {}

  std::span<float> weights(std::string_view name) {
    const auto found = std::ranges::find(graph.parameters(), name, &Parameter::name);
    return parameters.value(static_cast<ParameterId>(found - graph.parameters().begin()));
  }
};

ConvMixerConfig config(int dim, int kernel, int patch, int channels) {
  return {.dim = dim,
          .depth = 2,
          .kernel_size = kernel,
          .patch_size = patch,
          .image_size = 8,
          .channels = channels,
          .classes = 2};
}

TEST(Filters, PatchEmbeddingOfThreeChannelsIsInColours) {
  Model model(config(2, 3, 2, 3));
  // Two filters, (3, 2, 2) each: the first is red upper left and, in blue, negative lower right; the second is 0.
  const auto weights = model.weights("stem.0.weight");
  weights[0] = 0.5F;
  weights[8 + 3] = -0.25F;
  const std::vector<FilterImage> images = draw_filters(model.parameters);
  const FilterImage& stem = images.front();
  EXPECT_EQ(stem.kind, FilterKind::patch_embedding);
  EXPECT_EQ(stem.filters, 2);
  EXPECT_EQ(stem.channels, 3);
  const Drawn drawn(stem);
  ASSERT_EQ(drawn.image.width, 7);  // two filters of two weights, three lines
  ASSERT_EQ(drawn.image.height, 4);
  EXPECT_EQ(drawn.at(0, 0), kLine);
  EXPECT_EQ(drawn.at(1, 1), (Rgb{255, 128, 128}));  // the largest weight is the end of the scale, 0 its middle
  EXPECT_EQ(drawn.at(2, 2), (Rgb{128, 128, 64}));
  EXPECT_EQ(drawn.at(3, 1), kLine);
  EXPECT_EQ(drawn.at(4, 1), (Rgb{128, 128, 128}));
}

TEST(Filters, DepthwiseOnesHaveAnImageForEachBlockAndAScaleForEachFilter) {
  Model model(config(5, 3, 2, 3));
  const auto weights = model.weights("blocks.1.0.fn.0.weight");
  weights[0] = 2.0F;      // of the first filter, upper left
  weights[8] = -2.0F;     // lower right
  weights[9 + 4] = 0.1F;  // the second one's centre
  const std::vector<FilterImage> images = draw_filters(model.parameters);
  ASSERT_EQ(images.size(), 3U);  // no pointwise convolution among them
  EXPECT_EQ(images[1].node, "blocks.0.0.fn.0");
  EXPECT_EQ(images[2].node, "blocks.1.0.fn.0");
  EXPECT_EQ(images[2].number, 2);
  EXPECT_EQ(images[2].kind, FilterKind::depthwise);
  const Drawn drawn(images[2]);
  ASSERT_EQ(drawn.image.width, 3 * 4 + 1);  // five filters: three in a row
  ASSERT_EQ(drawn.image.height, 2 * 4 + 1);
  EXPECT_EQ(drawn.at(1, 1), kRed);
  EXPECT_EQ(drawn.at(3, 3), kBlue);
  EXPECT_EQ(drawn.at(2, 2), kWhite);
  EXPECT_EQ(drawn.at(6, 2), kRed);    // as red as a weight twenty times larger
  EXPECT_EQ(drawn.at(1, 5), kWhite);  // the fourth, all 0, in the second row
  EXPECT_EQ(drawn.at(11, 7), kLine);  // there is no sixth
}

TEST(Filters, HalfOfTheLargestIsHalfwayToTheEnd) {
  Model model(config(1, 2, 2, 3));
  const auto weights = model.weights("blocks.0.0.fn.0.weight");
  weights[0] = 1.0F;
  weights[1] = 0.5F;
  weights[2] = -0.5F;
  const Drawn drawn(draw_filters(model.parameters).at(1));
  // Between ColorBrewer's colours beside it.
  EXPECT_EQ(drawn.at(2, 1), (Rgb{229, 131, 104}));
  EXPECT_EQ(drawn.at(1, 2), (Rgb{107, 172, 209}));
}

TEST(Filters, OtherNumbersOfChannelsLieSideBySide) {
  Model grey(config(1, 3, 2, 1));
  grey.weights("stem.0.weight")[3] = 1.0F;
  const Drawn one(draw_filters(grey.parameters).front());
  ASSERT_EQ(one.image.width, 4);
  EXPECT_EQ(one.at(2, 2), kRed);
  EXPECT_EQ(one.at(1, 1), kWhite);

  Model many(config(4, 3, 2, 5));
  many.weights("stem.0.weight")[4 * 4] = -1.0F;  // the first filter's last channel, upper left
  const std::vector<FilterImage> images = draw_filters(many.parameters);
  EXPECT_EQ(images.front().channels, 5);
  const Drawn five(images.front());
  ASSERT_EQ(five.image.width, 5 * 3 + 1);  // a filter is wide: one in a row
  ASSERT_EQ(five.image.height, 4 * 3 + 1);
  EXPECT_EQ(five.at(12, 1), kLine);
  EXPECT_EQ(five.at(13, 1), kBlue);
  EXPECT_EQ(five.at(14, 1), kWhite);
}

TEST(Filters, OfManyTheFirstAreDrawn) {
  Model model(config(7, 1, 1, 3));
  model.parameters.initialise(1);
  const std::vector<FilterImage> images = draw_filters(model.parameters, {.weight_pixels = 3, .most_filters = 4});
  for (const FilterImage& image : images) {
    EXPECT_EQ(image.filters, 7);
    EXPECT_EQ(image.shown, 4);
    EXPECT_EQ(image.kernel, 1);
    EXPECT_EQ(image.png.width, 3 * (2 * 2 + 1));  // two by two of them, a weight a square of three pixels
    EXPECT_EQ(image.png.height, 3 * (2 * 2 + 1));
  }
  EXPECT_EQ(error_of([&] { return draw_filters(model.parameters, {.weight_pixels = 0}); }).kind(), ErrorKind::usage);
  EXPECT_EQ(error_of([&] { return draw_filters(model.parameters, {.most_filters = 0}); }).kind(), ErrorKind::usage);
}

TEST(Filters, WhatIsNoNumberIsBlackAndSpoilsNoScale) {
  Model model(config(1, 3, 2, 3));
  const auto weights = model.weights("blocks.0.0.fn.0.weight");
  weights[0] = std::numeric_limits<float>::quiet_NaN();
  weights[1] = std::numeric_limits<float>::infinity();
  weights[2] = 3.0F;
  model.weights("stem.0.weight")[4] = std::numeric_limits<float>::quiet_NaN();  // green of the first pixel
  const std::vector<FilterImage> images = draw_filters(model.parameters);
  const Drawn depthwise(images.at(1));
  EXPECT_EQ(depthwise.at(1, 1), (Rgb{0, 0, 0}));
  EXPECT_EQ(depthwise.at(2, 1), (Rgb{0, 0, 0}));
  EXPECT_EQ(depthwise.at(3, 1), kRed);
  EXPECT_EQ(Drawn(images.front()).at(1, 1), (Rgb{0, 0, 0}));
}

}  // namespace
}  // namespace convmixer

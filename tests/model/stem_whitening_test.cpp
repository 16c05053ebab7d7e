#include "convmixer/model/stem_whitening.hpp"

#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/model/registry.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing::DoubleNear;
using testing::Pointwise;
using testing_support::error_of;

constexpr ParameterId kWeight = 0;
constexpr ParameterId kBias = 1;

Graph network(int dim, int channels, int image_size, int patch_size) {
  return make_convmixer({.dim = dim,
                         .depth = 1,
                         .kernel_size = 3,
                         .patch_size = patch_size,
                         .image_size = image_size,
                         .channels = channels});
}

/// Two images of 2 colours and 4 x 4 pixels.
PatchStatistics small_patches(const Graph& graph) {
  PatchStatistics patches(graph);
  std::vector<float> image(32);
  for (int i = 0; i < 64; ++i) {
    image[static_cast<std::size_t>(i % 32)] = static_cast<float>(i * 37 % 64 - 32) / 16.0F;
    if (i % 32 == 31) patches.add(image);
  }
  return patches;
}

TEST(PatchStatistics, AgreeWithPyTorch) {
  const Graph graph = network(4, 2, 4, 2);
  const PatchStatistics patches = small_patches(graph);
  EXPECT_EQ(patches.patches(), 8);
  EXPECT_EQ(patches.values(), 8U);
  EXPECT_THAT(patches.mean(), testing::ElementsAre(-0.4375, -0.125, 0.3125, -0.375, 0.0625, 0.375, -0.1875, 0.125));
  const std::vector<double> covariance = patches.covariance();
  // torch.cov(correction=0): the first and the third row
  const std::array<double, 8> first{1.16015625, -0.83984375, 0.37890625,  0.37890625,
                                    0.37890625, -0.62109375, -0.83984375, 1.16015625};
  const std::array<double, 8> third{0.37890625, -0.62109375, 1.34765625,  -0.15234375,
                                    1.34765625, -0.65234375, -0.62109375, 0.37890625};
  EXPECT_THAT(std::vector(covariance.begin(), covariance.begin() + 8), Pointwise(DoubleNear(1e-12), first));
  EXPECT_THAT(std::vector(covariance.begin() + 16, covariance.begin() + 24), Pointwise(DoubleNear(1e-12), third));
}

TEST(PatchStatistics, LeaveOutPixelsPastTheLastWholePatch) {
  const Graph graph = network(4, 1, 8, 3);
  PatchStatistics patches(graph);
  std::vector<float> image(64, 0.0F);
  image[7] = image[63] = 1e6F;
  patches.add(image);
  EXPECT_EQ(patches.patches(), 4);
  EXPECT_EQ(patches.patches_per_image(), 4);
  EXPECT_THAT(patches.mean(), testing::Each(0.0));
}

/// W^T W of all outputs.
std::vector<double> gram(const Parameters& parameters, std::size_t n) {
  const auto weights = parameters.value(kWeight);
  std::vector<double> result(n * n);
  for (std::size_t at = 0; at < weights.size(); at += n)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) result[i * n + j] += double{weights[at + i]} * double{weights[at + j]};
  return result;
}

TEST(WhitenStem, IsARotationOfTheRootThatPyTorchsEigenvectorsGive) {
  const Graph graph = network(8, 2, 4, 2);
  Parameters parameters(graph);
  whiten_stem(parameters, small_patches(graph), 1, 0.01);
  // S^T S with S = diag(lambda + 0.01)^-1/2 E^T of torch.linalg.eigh: rows 1, 2, 4
  const std::vector<double> found = gram(parameters, 8);
  const auto row = [&](std::ptrdiff_t i) { return std::vector(found.begin() + 8 * i, found.begin() + 8 * i + 8); };
  constexpr double kOff = 2e-4;
  EXPECT_THAT(row(0), Pointwise(DoubleNear(kOff), {50.652012, 0.576754285, 0.222684398, 0.271992012, 0.222684398,
                                                   0.519144202, 0.576754285, -49.347988}));
  EXPECT_THAT(row(1), Pointwise(DoubleNear(kOff), {0.576754285, 50.9887772, 0.453363437, 0.739983315, 0.453363437,
                                                   0.49449828, -49.0112228, 0.576754285}));
  EXPECT_THAT(row(3), Pointwise(DoubleNear(kOff), {0.271992012, 0.739983315, 0.444431451, 1.40877103, 0.444431451,
                                                   0.420988813, 0.739983315, 0.271992012}));
}

/// Images whose pixels and colours resemble their neighbours, of mean 0.5.
std::vector<std::vector<float>> smooth_images(int count, int channels, int side) {
  std::vector<std::vector<float>> images;
  for (int i = 0; i < count; ++i) {
    Rng rng(7, RandomStream::synthetic_data, static_cast<std::uint32_t>(i));
    std::vector<float> image(static_cast<std::size_t>(channels * side * side));
    float value = 0.0F;
    for (float& pixel : image) pixel = 0.5F + (value = 0.8F * value + rng.normal());
    images.push_back(image);
  }
  return images;
}

/// The stem's outputs for a patch at (y, x).
std::vector<double> outputs(const Parameters& parameters, const std::vector<float>& image, int side, int y, int x) {
  const Shape& shape = parameters.graph().parameters()[kWeight].shape;
  std::vector<double> result;
  std::size_t at = 0;
  for (std::int64_t output = 0; output < shape[0]; ++output) {
    double sum = parameters.value(kBias)[static_cast<std::size_t>(output)];
    for (std::int64_t c = 0; c < shape[1]; ++c)
      for (std::int64_t i = 0; i < shape[2]; ++i)
        for (std::int64_t j = 0; j < shape[3]; ++j)
          sum += double{parameters.value(kWeight)[at++]} *
                 double{image[static_cast<std::size_t>((c * side + y + i) * side + x + j)]};
    result.push_back(sum);
  }
  return result;
}

TEST(WhitenStem, MakesOutputsOfMean0AndVariance1UncorrelatedAsFarAsTheyAreFew) {
  constexpr int kSide = 8;
  constexpr std::size_t kDim = 16;  // 12 that are uncorrelated, and 4
  const Graph graph = network(static_cast<int>(kDim), 3, kSide, 2);
  Parameters parameters(graph);
  parameters.initialise(1);
  const auto images = smooth_images(200, 3, kSide);
  PatchStatistics patches(graph);
  for (const auto& image : images) patches.add(image);
  whiten_stem(parameters, patches, 1, 1e-9);
  std::vector<double> mean(kDim);
  std::vector<double> products(kDim * kDim);
  for (const auto& image : images) {
    for (int at = 0; at < 16; ++at) {
      const std::vector<double> values = outputs(parameters, image, kSide, at / 4 * 2, at % 4 * 2);
      for (std::size_t i = 0; i < kDim; ++i) {
        mean[i] += values[i] / 3200.0;
        for (std::size_t j = 0; j < kDim; ++j) products[i * kDim + j] += values[i] * values[j] / 3200.0;
      }
    }
  }
  EXPECT_THAT(mean, testing::Each(DoubleNear(0.0, 1e-5)));
  for (std::size_t i = 0; i < kDim; ++i) {
    for (std::size_t j = 0; j < kDim; ++j) {
      if (i / 12 != j / 12) continue;
      EXPECT_NEAR(products[i * kDim + j], i == j ? 1.0 : 0.0, 1e-4) << i << ' ' << j;
    }
  }
}

TEST(WhitenStem, IsAFunctionOfTheSeedAndLeavesOtherParametersAsTheyAre) {
  const Graph graph = network(20, 2, 4, 2);
  const auto whitened = [&](std::uint64_t seed) {
    Parameters parameters(graph);
    parameters.initialise(1);
    whiten_stem(parameters, small_patches(graph), seed);
    std::vector<float> values;
    for (const float value : parameters.value(kWeight)) values.push_back(value);
    Parameters usual(graph);
    usual.initialise(1);
    for (ParameterId id = 2; id < static_cast<ParameterId>(graph.parameters().size()); ++id)
      EXPECT_TRUE(std::ranges::equal(parameters.value(id), usual.value(id))) << id;
    return values;
  };
  EXPECT_EQ(whitened(1), whitened(1));
  EXPECT_NE(whitened(1), whitened(2));
}

TEST(WhitenStem, RefusesWhatItCanNotWhiten) {
  const auto message = [](const auto& call) { return std::string(error_of(call).what()); };
  EXPECT_EQ(message([] { PatchStatistics{network(4, 3, 32, 20)}; }),
            "stem-init = whitened: patches of 20 x 20 pixels in 3 colours have 1200 values, expected at most 1024");
  Graph depthwise_first(2, 4, 4);
  depthwise_first.convolution_same("first", depthwise_first.input(), 2, 3, 2);
  EXPECT_EQ(message([&] { PatchStatistics{depthwise_first}; }),
            "stem-init = whitened: the network doesn't begin with a convolution over all colours; expected default");
  EXPECT_EQ(
      message([&] { PatchStatistics{make_graph(ResNetConfig{})}; }),
      "stem-init = whitened: the network's first convolution, conv1, has no bias to centre patches with; expected "
      "default");
  const Graph graph = network(4, 2, 4, 2);
  EXPECT_EQ(message([&] { PatchStatistics(graph).add(std::vector<float>(31)); }),
            "whitened stem: an image of 31 numbers, expected one of shape (2, 4, 4)");
  Parameters parameters(graph);
  EXPECT_EQ(message([&] { whiten_stem(parameters, PatchStatistics(graph), 1); }),
            "whitened stem: there are no patches to measure");
}

TEST(WhitenStem, RefusesPatchesOfAnotherNetworkAndAnEpsilonThatIsNotAbove0) {
  const Graph graph = network(4, 2, 4, 2);
  const PatchStatistics patches = small_patches(graph);
  const auto refusal = [&](const Graph& of, double epsilon) {
    Parameters parameters(of);
    const Error error = error_of([&] { whiten_stem(parameters, patches, 1, epsilon); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(parameters.value(kWeight), testing::Each(0.0F));
    EXPECT_THAT(parameters.value(kBias), testing::Each(0.0F));
    return std::string(error.what());
  };
  EXPECT_EQ(refusal(network(4, 1, 4, 2), kWhiteningEpsilon),
            "whitened stem: patches have 8 values, expected 4, as many as the network's first convolution reads");
  EXPECT_EQ(refusal(network(4, 3, 4, 2), kWhiteningEpsilon),
            "whitened stem: patches have 8 values, expected 12, as many as the network's first convolution reads");
  EXPECT_EQ(refusal(graph, 0.0), "whitened stem: epsilon = 0, expected a finite number above 0");
  for (const double epsilon : {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    EXPECT_THAT(refusal(graph, epsilon), testing::HasSubstr("expected a finite number above 0")) << epsilon;
}

}  // namespace
}  // namespace convmixer

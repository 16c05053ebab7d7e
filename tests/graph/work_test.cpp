#include "convmixer/graph/work.hpp"

#include "convmixer/model/convmixer.hpp"

#include <gtest/gtest.h>

namespace convmixer {
namespace {

// ConvMixer-256/8, kernel 5, patch 2, on 32x32 images of 3 colours: 16x16 patches.
constexpr std::int64_t kPixels = 16 * 16;
constexpr std::int64_t kStem = kPixels * 256 * (3 * 2 * 2);
constexpr std::int64_t kPointwise = 8 * kPixels * 256 * 256;
constexpr std::int64_t kDepthwise = 8 * kPixels * 256 * (5 * 5);
constexpr std::int64_t kHead = 256 * 10;

TEST(Work, OfAConvMixersInferenceIsWhatAHandCountGives) {
  const Work work = inference_work(make_convmixer({}));
  EXPECT_EQ(work.matrix, kStem + kPointwise + kHead);
  EXPECT_EQ(work.depthwise, kDepthwise);
  EXPECT_EQ(work.total(), 148'113'920);
}

TEST(Work, OfAConvMixersTrainingIsThreefoldButForTheImagesGradient) {
  const Work work = training_work(make_convmixer({}));
  EXPECT_EQ(work.matrix, 404'233'728);
  EXPECT_EQ(work.matrix, 2 * kStem + 3 * (kPointwise + kHead));
  EXPECT_EQ(work.depthwise, 3 * kDepthwise);
}

TEST(Work, TakesAConvolutionInAFewGroupsForAMatrixProduct) {
  Graph graph(8, 4, 4);
  const TensorId grouped = graph.convolution_same("grouped", graph.input(), 8, 3, 2);
  graph.convolution_same("depthwise", grouped, 8, 3, 8);
  const Work work = inference_work(graph);
  EXPECT_EQ(work.matrix, 16 * 8 * 4 * 9);
  EXPECT_EQ(work.depthwise, 16 * 8 * 9);
}

TEST(Work, OfAttentionsTrainingIsThreefoldAsBothOfItsFactorsAreData) {
  Graph graph(6, 2, 2);
  const TensorId tokens = graph.to_tokens("tokens", graph.convolution_same("conv", graph.input(), 12, 1, 1));
  graph.token_mean("mean", graph.attention("attention", tokens, 2));
  const std::int64_t convolution = 4 * 6 * 12;
  const std::int64_t attention = 2 * 4 * 4 * 4;
  EXPECT_EQ(inference_work(graph).matrix, convolution + attention);
  EXPECT_EQ(training_work(graph).matrix, 2 * convolution + 3 * attention);
}

}  // namespace
}  // namespace convmixer

// Inference of batches that there are too few images in for the threads: an image's logits are the same to the last bit
// whatever batch it is in, and whoever shares it.
#include "plan/fused/inference.hpp"

#include "convmixer/core/rng.hpp"
#include "convmixer/core/trace.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/plan/plan.hpp"
#include "plan/execution_options.hpp"
#include "plan/fused/divided_images.hpp"
#include "support/convmixer_config.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace convmixer::fused {
namespace {

TEST(DividedImages, AreThoseThatWouldLeaveWorkersWithoutOne) {
  EXPECT_EQ(divided_images(1, 1), 0U);
  EXPECT_EQ(divided_images(5, 1), 0U);
  EXPECT_EQ(divided_images(1, 2), 1U);
  EXPECT_EQ(divided_images(2, 2), 0U);
  EXPECT_EQ(divided_images(3, 2), 1U);
  EXPECT_EQ(divided_images(64, 2), 0U);
  EXPECT_EQ(divided_images(2, 4), 2U);
  EXPECT_EQ(divided_images(3, 4), 3U);
  EXPECT_EQ(divided_images(5, 4), 1U);
  EXPECT_EQ(divided_images(7, 8), 0U);  // dividing them gains less than it costs
  EXPECT_EQ(divided_images(100, 16), 4U);
}

struct Case {
  ConvMixerConfig model;
  std::string name;
};

class FusedInference : public testing::TestWithParam<Case> {
 protected:
  FusedInference() {
    Rng rng(6, RandomStream::synthetic_data);
    parameters_.initialise(5);
    for (std::size_t id = 0; id < graph_.statistics().size(); ++id) {
      for (float& value : parameters_.statistic(static_cast<StatisticId>(id))) value += 0.2F * std::abs(rng.normal());
    }
    images_.resize(kImages * image_size_);
    std::ranges::generate(images_, [&] { return rng.normal(); });
  }

  /// The logits of the images from `first` on, twice by one plan: nothing of the first pass may be left in the second.
  std::vector<float> infer(std::size_t first, std::int64_t batch, const ExecutionOptions& how, int threads) {
    ThreadPool pool(threads);
    Engine engine(pool);
    ExecutionOptions options = how;
    options.batch_size = batch;
    options.mode = PlanMode::inference;
    options.kind = PlanKind::fused;
    Plan plan = make_plan(graph_, parameters_, engine, options);
    const auto count = static_cast<std::size_t>(batch) * image_size_;
    plan.forward(std::vector<float>(count, 0.5F));
    const std::span<const float> logits = plan.forward(std::span(images_).subspan(first * image_size_, count));
    return {logits.begin(), logits.end()};
  }

  static constexpr std::size_t kImages = 9;
  Graph graph_ = make_convmixer(GetParam().model);
  Parameters parameters_{graph_};
  std::size_t image_size_ = static_cast<std::size_t>(graph_.tensors()[0].count());
  std::vector<float> images_;
};

TEST_P(FusedInference, GivesAnImageTheSameLogitsInEveryBatchOnAnyNumberOfThreads) {
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    if (!Engine::supports(precision)) continue;
    for (const ProductKernels products : {ProductKernels::hand_written, ProductKernels::onednn}) {
      if (products == ProductKernels::onednn && !Engine::has_instructions(precision)) continue;
      const ExecutionOptions how{{.precision = precision}, products};
      const std::vector<float> expected = infer(0, kImages, how, 1);
      for (const int threads : {2, 3, 8}) {
        EXPECT_EQ(infer(0, kImages, how, threads), expected) << threads << " threads";
      }
      const auto classes = static_cast<std::size_t>(GetParam().model.classes);
      for (const auto& [batch, threads] :
           {std::pair<std::int64_t, int>{1, 1}, {1, 2}, {1, 5}, {2, 4}, {3, 4}, {5, 4}}) {
        const std::size_t first = kImages - static_cast<std::size_t>(batch);
        const std::vector<float> last(expected.begin() + static_cast<std::ptrdiff_t>(first * classes), expected.end());
        EXPECT_EQ(infer(first, batch, how, threads), last) << "batch " << batch << ", " << threads << " threads";
      }
    }
  }
}

/// The spans of an operation, by number.
std::map<std::int64_t, int> spans_of(const Trace& trace, const std::string& operation) {
  std::map<std::int64_t, int> counts;
  for (const TraceTrack& track : trace.tracks) {
    for (const TraceSpan& span : track.spans) {
      if (span.name.operation() == operation) ++counts[span.number];
    }
  }
  return counts;
}

TEST_P(FusedInference, DividesTheLastImageOfAnOddBatchAmongTwoThreads) {
  ThreadPool pool(2);
  Engine engine(pool);
  Plan plan(graph_, parameters_, engine, {.batch_size = 3, .mode = PlanMode::inference, .kind = PlanKind::fused});
  TraceRecording recording(4, 10000);
  plan.forward(std::span(images_).first(3 * image_size_));
  std::map<std::int64_t, int> tasks = spans_of(recording.finish(), "all stages inference");
  EXPECT_EQ(tasks[0], 1);
  EXPECT_EQ(tasks[1], 1);
  // A row of pixels is a part of the patches; then come their product and two stages in each mixer block.
  const ConvMixerConfig& model = GetParam().model;
  EXPECT_GE(tasks[2], model.image_size / model.patch_size + 1 + 2 * model.depth);
}

std::vector<Case> cases() {
  constexpr auto model = testing_support::convmixer_config;
  ConvMixerConfig both = model(70, 3, 4, 1, 12);
  both.residual = ConvMixerConfig::Residual::both;
  return {{model(8, 1, 3, 1, 5), "OneTile"},
          {both, "BothResiduals"},
          {model(96, 2, 5, 2, 24), "SeveralChannelBlocks"},
          {model(70, 2, 4, 1, 18), "SeveralTilesAndPaddingChannels"},
          {model(257, 1, 7, 3, 13), "OneChannelInABlock"}};
}

INSTANTIATE_TEST_SUITE_P(All, FusedInference, testing::ValuesIn(cases()),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace convmixer::fused

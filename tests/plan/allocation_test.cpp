// A training step in steady state asks the allocator for nothing.
#include "convmixer/core/rng.hpp"
#include "convmixer/core/trace.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/optim/make_optimizer.hpp"
#include "support/counted_allocations.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

namespace convmixer {
namespace {

using testing_support::counted_allocations;
using testing_support::test_engine;

constexpr int kBatch = 20;  // more images than one task of any hand-written kernel takes

std::int64_t allocations_of(const std::function<void()>& body) {
  const std::int64_t before = counted_allocations();
  body();
  return counted_allocations() - before;
}

TEST(Allocations, AreCounted) {
  EXPECT_EQ(allocations_of([] {}), 0);
  EXPECT_EQ(allocations_of([] { ::operator delete(::operator new(10)); }), 1);
  EXPECT_EQ(allocations_of([] { ::operator delete[](::operator new[](10)); }), 1);
  EXPECT_EQ(allocations_of([] { const AlignedBuffer buffer(100); }), 1);
  void* (*volatile allocate)(std::size_t) = std::malloc;  // or else the compiler leaves it out
  EXPECT_EQ(allocations_of([&] { std::free(allocate(10)); }), 1);
  // Not only the project's headers: what the library's own objects do.
  EXPECT_GT(allocations_of([] { const Graph graph(3, 8, 8); }), 0);
}

class SteadyState : public testing::TestWithParam<Precision> {
 protected:
  void SetUp() override {
    if (!Engine::supports(GetParam())) GTEST_SKIP() << "nothing is computed in bf16 on this CPU";
    network_ = std::make_unique<Network>(
        make_convmixer(
            {.dim = 24, .depth = 1, .kernel_size = 5, .patch_size = 2, .image_size = 8, .channels = 3, .classes = 10}),
        GetParam(), test_engine());
    network_->parameters().initialise(1);
    Rng rng(1, RandomStream::synthetic_data);
    images_.resize(std::size_t{kBatch} * 3 * 8 * 8);
    std::ranges::generate(images_, [&] { return rng.normal(); });
    for (int i = 0; i < kBatch; ++i) labels_.push_back(i % 10);
  }

  [[nodiscard]] Targets targets() const { return {labels_, {}, 0.1F}; }

  /// Allocations of `count` runs after two to warm up.
  static std::int64_t in_steady_state(int count, const std::function<void()>& run) {
    run();
    run();
    return allocations_of([&] {
      for (int i = 0; i < count; ++i) run();
    });
  }

  std::unique_ptr<Network> network_;
  std::vector<float> images_;
  std::vector<std::int32_t> labels_;
};

TEST_P(SteadyState, OfTrainingAllocatesNothing) {
  const auto optimizer =
      make_optimizer(network_->parameters(), {.kind = OptimizerKind::adamw, .weight_decay = 0.01F, .clip_norm = 1.0F},
                     test_engine().pool());
  EXPECT_EQ(in_steady_state(5,
                            [&] {
                              network_->train_batch(images_, targets());
                              optimizer->step(1e-3F);
                            }),
            0);
}

TEST_P(SteadyState, OfARecordedTrainingAllocatesNothing) {
  network_->train_batch(images_, targets());
  TraceRecording recording(4, 10'000);
  EXPECT_EQ(in_steady_state(5, [&] { network_->train_batch(images_, targets()); }), 0);
  const Trace trace = recording.finish();
  EXPECT_EQ(trace.dropped, 0);
  std::int64_t losses = 0;  // workers of fused stages have tracks of their own
  for (const auto& track : trace.tracks) losses += std::ranges::count(track.spans, TraceName("loss"), &TraceSpan::name);
  EXPECT_EQ(losses, 2 + 5);
}

TEST_P(SteadyState, OfEvaluationAllocatesNothing) {
  EXPECT_EQ(in_steady_state(5, [&] { network_->evaluate_batch(images_, targets()); }), 0);
}

TEST_P(SteadyState, OfTurnsOfTwoBatchSizesAllocatesNothing) {
  const std::span<const float> few = std::span<const float>(images_).first(std::size_t{3} * 3 * 8 * 8);
  const Targets few_targets{std::span<const std::int32_t>(labels_).first(3), {}, 0.1F};
  EXPECT_EQ(in_steady_state(3,
                            [&] {
                              network_->train_batch(images_, targets());
                              network_->train_batch(few, few_targets);
                              network_->evaluate_batch(images_, targets());
                            }),
            0);
}

INSTANTIATE_TEST_SUITE_P(All, SteadyState, testing::Values(Precision::f32, Precision::bf16),
                         [](const auto& one) { return std::string(to_string(one.param)); });

}  // namespace
}  // namespace convmixer

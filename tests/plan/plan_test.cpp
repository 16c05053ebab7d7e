// What a plan promises beside the values of its operations, which operations_test.cpp checks.
#include "convmixer/plan/plan.hpp"

#include "convmixer/core/cpu.hpp"
#include "convmixer/core/rng.hpp"
#include "support/block_graph.hpp"
#include "support/parameter_values.hpp"
#include "support/relative_error.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <dlfcn.h>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace convmixer {
namespace {

using testing_support::all_gradients;
using testing_support::all_statistics;
using testing_support::relative_error;
using testing_support::test_engine;

std::vector<float> random_values(std::int64_t count, std::uint32_t seed) {
  Rng rng(seed, RandomStream::synthetic_data);
  std::vector<float> values(static_cast<std::size_t>(count));
  std::ranges::generate(values, [&] { return rng.normal(); });
  return values;
}

std::vector<float> copy(std::span<const float> values) { return {values.begin(), values.end()}; }

/// A block with its parameters, images and gradients of the output for up to `kMost` images.
class PlanOfABlock : public testing::Test {
 protected:
  static constexpr std::int64_t kMost = 6;

  PlanOfABlock()
      : graph_(testing_support::block_graph(24, 10, 5)),
        parameters_(graph_),
        images_(random_values(kMost * graph_.tensors()[0].count(), 1)),
        output_gradient_(random_values(kMost * 5, 2)) {
    parameters_.initialise(3);
  }

  Plan plan(std::int64_t batch, PlanMode mode = PlanMode::training, Precision precision = Precision::f32,
            PlanKind kind = PlanKind::automatic) {
    return {
        graph_, parameters_, test_engine(), {.batch_size = batch, .precision = precision, .mode = mode, .kind = kind}};
  }
  Plan plain_plan(std::int64_t batch, PlanMode mode = PlanMode::training) {
    return plan(batch, mode, Precision::f32, PlanKind::plain);
  }

  [[nodiscard]] std::span<const float> images(std::int64_t batch) const {
    return std::span(images_).first(static_cast<std::size_t>(batch * graph_.tensors()[0].count()));
  }
  [[nodiscard]] std::span<const float> output_gradient(std::int64_t batch) const {
    return std::span(output_gradient_).first(static_cast<std::size_t>(batch * 5));
  }

  Graph graph_;
  Parameters parameters_;
  std::vector<float> images_;
  std::vector<float> output_gradient_;
};

TEST_F(PlanOfABlock, LeavesTheRunningStatisticsWhenTold) {
  Plan training = plan(4);
  const std::vector<float> initial = all_statistics(parameters_);
  const std::vector<float> output = copy(training.forward(images(4), /*update_statistics=*/false));
  EXPECT_EQ(all_statistics(parameters_), initial);
  training.backward(output_gradient(4));
  EXPECT_EQ(all_statistics(parameters_), initial);

  EXPECT_EQ(copy(training.forward(images(4))), output) << "the batch's own statistics count in training";
  const std::vector<float> moved = all_statistics(parameters_);
  for (std::size_t i = 0; i < moved.size(); ++i) EXPECT_NE(moved[i], initial[i]) << i;

  plan(4, PlanMode::inference).forward(images(4));
  EXPECT_EQ(all_statistics(parameters_), moved) << "evaluation moves nothing";
}

TEST_F(PlanOfABlock, GivesTheSameBitsFromRunToRun) {
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    if (!Engine::has_instructions(precision)) continue;
    Plan one = plan(6, PlanMode::training, precision);
    Plan other = plan(6, PlanMode::training, precision);
    const std::vector<float> output = copy(one.forward(images(6)));
    one.backward(output_gradient(6));
    const std::vector<float> gradients = all_gradients(parameters_);
    for (Plan* again : {&other, &one, &one, &other}) {
      EXPECT_EQ(copy(again->forward(images(6))), output) << to_string(precision);
      again->backward(output_gradient(6));
      EXPECT_EQ(all_gradients(parameters_), gradients) << to_string(precision);
    }
  }
}

TEST_F(PlanOfABlock, OverwritesGradients) {
  Plan training = plan(4);
  training.forward(images(4));
  training.backward(output_gradient(4));
  const std::vector<float> gradients = all_gradients(parameters_);
  for (std::size_t id = 0; id < graph_.parameters().size(); ++id) {
    std::ranges::fill(parameters_.gradient(static_cast<ParameterId>(id)), std::numeric_limits<float>::quiet_NaN());
  }
  training.forward(images(4));
  training.backward(output_gradient(4));
  EXPECT_EQ(all_gradients(parameters_), gradients);
}

TEST_F(PlanOfABlock, LeavesWhatTheCallerGivesAsItWas) {
  Plan training = plan(kMost);
  const std::vector<float> images_before = images_;
  const std::vector<float> gradient_before = output_gradient_;
  training.forward(images_);
  training.backward(output_gradient_);
  EXPECT_EQ(images_, images_before);
  EXPECT_EQ(output_gradient_, gradient_before);

  // Operations that could work in place, on the caller's memory itself.
  Graph graph(8, 4, 4);
  graph.batch_norm("norm", graph.gelu("gelu", graph.input()));
  Parameters parameters(graph);
  parameters.initialise(1);
  Plan at_both_ends(graph, parameters, test_engine(), {.batch_size = 2, .input_gradient = true});
  const std::vector<float> values = random_values(std::int64_t{2} * 8 * 4 * 4, 3);
  std::vector<float> given = values;
  const std::vector<float> output = copy(at_both_ends.forward(given));
  EXPECT_EQ(given, values);
  at_both_ends.backward(given);
  EXPECT_EQ(given, values);
  EXPECT_EQ(copy(at_both_ends.forward(given)), output);
}

TEST_F(PlanOfABlock, SharesParametersWithPlansOfOtherBatchSizes) {
  Plan two = plan(2, PlanMode::inference);
  Plan six = plan(6, PlanMode::inference);
  Plan training = plan(4);
  const auto expect_agreement = [&] {
    const std::vector<float> few = copy(two.forward(images(2)));
    const std::span<const float> many = six.forward(images(6)).first(few.size());
    EXPECT_LE(relative_error(many, std::span<const float>(few)), 1e-5);
    return few;
  };
  const std::vector<float> before = expect_agreement();
  training.forward(images(4));  // moves the statistics
  training.backward(output_gradient(4));
  for (std::size_t id = 0; id < graph_.parameters().size(); ++id) {
    const std::span<const float> gradient = parameters_.gradient(static_cast<ParameterId>(id));
    const std::span<float> value = parameters_.value(static_cast<ParameterId>(id));
    for (std::size_t i = 0; i < value.size(); ++i) value[i] -= 0.1F * gradient[i];
  }
  const std::vector<float> after = expect_agreement();
  EXPECT_GT(relative_error(std::span<const float>(after), std::span<const float>(before)), 1e-2);
  EXPECT_EQ(copy(plan(2, PlanMode::inference).forward(images(2))), after) << "a plan made afterwards";
}

TEST_F(PlanOfABlock, EvaluatesEachImageOnItsOwn) {
  Plan one = plan(1, PlanMode::inference);
  Plan all = plan(kMost, PlanMode::inference);
  const std::vector<float> together = copy(all.forward(images_));
  const std::size_t image = images_.size() / kMost;
  for (std::size_t i = 0; i < kMost; ++i) {
    const std::span<const float> alone = one.forward(std::span<const float>(images_).subspan(i * image, image));
    EXPECT_LE(relative_error(std::span<const float>(together).subspan(5 * i, 5), alone), 1e-5) << "image " << i;
  }
}

TEST_F(PlanOfABlock, RunsInTheMemoryOfALargerOne) {
  // 24 channels: blocked layouts have padding, which must be zero whatever was there before.
  for (const LayoutPolicy layout : {LayoutPolicy::automatic, LayoutPolicy::channels_last, LayoutPolicy::blocked}) {
    SCOPED_TRACE("layout policy " + std::to_string(static_cast<int>(layout)));
    const PlanOptions few{.batch_size = 2, .layout = layout};
    Plan own(graph_, parameters_, test_engine(), few);
    EXPECT_TRUE(own.owns_memory());
    const std::vector<float> output = copy(own.forward(images(2)));
    own.backward(output_gradient(2));
    const std::vector<float> gradients = all_gradients(parameters_);

    auto larger =
        std::make_unique<Plan>(graph_, parameters_, test_engine(), PlanOptions{.batch_size = kMost, .layout = layout});
    Plan lent(graph_, parameters_, test_engine(), few, larger.get());
    EXPECT_FALSE(lent.owns_memory());
    EXPECT_EQ(lent.memory().total(), own.memory().total()) << "what it needs";
    for (int turn = 0; turn < 2; ++turn) {
      larger->forward(images_);
      larger->backward(output_gradient_);
      EXPECT_EQ(copy(lent.forward(images(2))), output) << "turn " << turn;
      lent.backward(output_gradient(2));
      EXPECT_EQ(all_gradients(parameters_), gradients) << "turn " << turn;
    }
    larger.reset();
    EXPECT_EQ(copy(lent.forward(images(2))), output) << "the memory outlives its first owner";
  }
}

TEST_F(PlanOfABlock, TakesMemoryOfItsOwnWhenAnothersIsTooSmall) {
  Plan few = plan(2);
  const std::vector<float> output = copy(few.forward(images(2)));
  Plan larger(graph_, parameters_, test_engine(), {.batch_size = kMost}, &few);
  EXPECT_TRUE(larger.owns_memory());
  const std::span<const float> kept = few.forward(images(2));
  larger.forward(images_);
  EXPECT_EQ(copy(kept), output) << "each has its own";
}

TEST_F(PlanOfABlock, StaysUsableWhenMoved) {
  Plan first = plan(2);
  const std::vector<float> output = copy(first.forward(images(2)));
  Plan second = std::move(first);
  EXPECT_EQ(copy(second.forward(images(2))), output);
  first = std::move(second);
  EXPECT_EQ(copy(first.forward(images(2))), output);
  EXPECT_EQ(first.options().batch_size, 2);
}

TEST_F(PlanOfABlock, ReportsItsMemory) {
  const PlannedMemory training = plain_plan(6).memory();
  const PlannedMemory inference = plain_plan(6, PlanMode::inference).memory();
  EXPECT_LT(training.arena, training.unshared);
  EXPECT_LT(inference.arena, training.arena);
  EXPECT_EQ(training.total(), training.arena + training.scratchpad);
  // What backward reads of one block at the least: the pre-activations and the norms' inputs, six tensors of 24x5x5.
  EXPECT_GE(training.arena, 6 * 6 * 24 * 25 * 4);
}

TEST_F(PlanOfABlock, ReportsItsStepsInTheOrderOfExecution) {
  std::set<std::string> forward_nodes;
  std::set<std::string> backward_nodes;
  for (const PlannedStep& step : plain_plan(2).steps()) {
    EXPECT_FALSE(step.operation.empty());
    EXPECT_FALSE(step.implementation.empty()) << step.node << ", " << step.operation;
    EXPECT_FALSE(step.layout.empty()) << step.node << ", " << step.operation;
    if (step.direction == "forward") {
      EXPECT_TRUE(backward_nodes.empty()) << step.node << " forward comes after a backward step";
      forward_nodes.insert(step.node);
    } else {
      EXPECT_TRUE(step.direction.starts_with("backward")) << step.direction;
      backward_nodes.insert(step.node);
    }
  }
  for (const Node& node : graph_.nodes()) {
    EXPECT_TRUE(forward_nodes.contains(node.name)) << node.name;
    const bool only_passes_gradients_on = std::holds_alternative<Add>(node.operation);
    EXPECT_TRUE(backward_nodes.contains(node.name) || only_passes_gradients_on) << node.name;
  }
  for (const PlannedStep& step : plain_plan(2, PlanMode::inference).steps()) EXPECT_EQ(step.direction, "forward");
}

TEST_F(PlanOfABlock, ReportsEachStageWhenFused) {
  std::set<std::string> forward_nodes;
  std::set<std::string> backward_nodes;
  Plan fused = plan(2, PlanMode::training, Precision::f32, PlanKind::fused);
  for (const PlannedStep& step : fused.steps()) {
    EXPECT_FALSE(step.operation.empty());
    EXPECT_FALSE(step.implementation.empty()) << step.node << ", " << step.operation;
    (step.direction == "forward" ? forward_nodes : backward_nodes).insert(step.node);
  }
  for (const Node& node : graph_.nodes()) {
    const bool leads_a_stage =
        std::holds_alternative<Convolution>(node.operation) || std::holds_alternative<Linear>(node.operation);
    EXPECT_EQ(forward_nodes.contains(node.name), leads_a_stage) << node.name;
    EXPECT_EQ(backward_nodes.contains(node.name), leads_a_stage) << node.name;
  }
  EXPECT_GE(fused.memory().arena, 3 * 6 * 24 * 25 * 4) << "what comes after each GELU is kept";
}

TEST(Plan, ComputesTheInputGradientOnlyWhenAsked) {
  Graph graph(8, 2, 2);
  graph.add("twice", graph.input(), graph.input());
  Parameters parameters(graph);
  const std::vector<float> values = random_values(32, 1);
  Plan without(graph, parameters, test_engine(), {.batch_size = 1});
  without.forward(values);
  EXPECT_TRUE(without.input_gradient().empty());

  Plan with(graph, parameters, test_engine(), {.batch_size = 1, .input_gradient = true});
  with.forward(values);
  with.backward(values);
  ASSERT_EQ(with.input_gradient().size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(with.input_gradient()[i], 2.0F * values[i]) << i;
}

#if defined(__x86_64__)
void keep_denormals(void* /*unused*/) {
  constexpr unsigned kFlushBits = 0x8040;
  _mm_setcsr(_mm_getcsr() & ~kFlushBits);
}

TEST(Plan, FlushesDenormalsOnEveryOpenmpWorker) {
  // Of the OpenMP that oneDNN has brought along: starts fn on every thread of the team.
  using Parallel = void (*)(void (*fn)(void*), void* data, unsigned threads, unsigned flags);
  const auto parallel = reinterpret_cast<Parallel>(::dlsym(RTLD_DEFAULT, "GOMP_parallel"));
  if (parallel == nullptr) GTEST_SKIP() << "this oneDNN doesn't run on OpenMP";

  ThreadPool& pool = test_engine().pool();
  const auto threads = static_cast<unsigned>(pool.threads());
  parallel(keep_denormals, nullptr, threads, 0);  // as in workers that began before the engine
  Engine engine(pool);
  EXPECT_TRUE(flushes_denormals_to_zero()) << "on the thread that makes the engine";

  Graph graph(16, 32, 32);
  graph.add("sum", graph.gelu("gelu", graph.input()), graph.input());
  Parameters parameters(graph);
  Plan plan(graph, parameters, engine, {.batch_size = 4, .mode = PlanMode::inference});
  constexpr float kDenormal = 1e-39F;
  static_assert(kDenormal > 0.0F && kDenormal < std::numeric_limits<float>::min());
  const std::vector<float> images(std::size_t{4} * 16 * 32 * 32, kDenormal);
  const std::span<const float> output = plan.forward(images);
  // As bits: where denormals are taken for zero, a comparison would do so too.
  const auto kept = std::ranges::count_if(output, [](float value) { return std::bit_cast<std::uint32_t>(value) != 0; });
  EXPECT_EQ(kept, 0) << "of " << output.size();
}
#endif

}  // namespace
}  // namespace convmixer

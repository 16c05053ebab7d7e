// Plans of oneDNN's primitives alone: nothing in them is hand-written, and they keep a plan's promises. What their
// steps compute, operations_test.cpp checks.
#include "convmixer/core/rng.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/plan/plan.hpp"
#include "plan/engine_runtime.hpp"
#include "plan/plain/builder.hpp"
#include "support/error_of.hpp"
#include "support/parameter_values.hpp"
#include "support/relative_error.hpp"
#include "support/test_engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <variant>
#include <vector>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::all_statistics;
using testing_support::error_of;
using testing_support::relative_error;
using testing_support::test_engine;

bool refused(const ModelEntry& entry, const ModelConfig& model) {
  try {
    entry.check(model);
  } catch (const Error&) {
    return true;
  }
  return false;
}

/// A model's defaults with as few blocks as it can have.
ModelConfig shallow(const ModelEntry& entry) {
  ModelConfig model = entry.defaults;
  for (const ModelSetting& setting : entry.settings) {
    const auto* const size = std::get_if<SizeSetting>(&setting.kind);
    if (size == nullptr || (setting.name != "depth" && setting.name != "layers")) continue;
    const int full = size->value(model);
    int& depth = size->value(model);
    for (depth = size->least; depth < full && refused(entry, model);) ++depth;
  }
  return model;
}

void expect_none_hand_written(const Graph& graph, const PlanOptions& options) {
  Parameters parameters(graph);
  const Plan plan(graph, parameters, test_engine(), options);
  EXPECT_EQ(plan.kind(), PlanKind::onednn);
  EXPECT_FALSE(plan.steps().empty());
  for (const PlannedStep& step : plan.steps()) {
    EXPECT_NE(step.implementation, "hand-written") << step.node << ", " << step.operation << " " << step.direction;
  }
}

/// A model, and what it is with each of its choices made otherwise.
std::vector<ModelConfig> variants(const ModelEntry& entry) {
  std::vector<ModelConfig> all{shallow(entry)};
  for (const ModelSetting& setting : entry.settings) {
    const auto* const choice = std::get_if<ChoiceSetting>(&setting.kind);
    for (std::size_t index = 0; choice != nullptr && index < choice->choices.size(); ++index) {
      ModelConfig variant = all.front();
      choice->set(variant, index);
      if (index != choice->get(all.front()) && !refused(entry, variant)) all.push_back(variant);
    }
  }
  return all;
}

TEST(OnednnPlan, HasNoHandWrittenStepInAnyModel) {
  std::vector<ModelConfig> all;
  for (const ModelEntry& entry : models()) {
    for (const ModelConfig& variant : variants(entry)) all.push_back(variant);
  }
  for (const ModelConfig& model : all) {
    SCOPED_TRACE(describe(model));
    const Graph graph = make_graph(model);
    for (const Precision precision : {Precision::f32, Precision::bf16}) {
      if (!Engine::has_instructions(precision)) continue;
      for (const PlanMode mode : {PlanMode::training, PlanMode::inference}) {
        expect_none_hand_written(graph,
                                 {.batch_size = 2, .precision = precision, .mode = mode, .kind = PlanKind::onednn});
      }
    }
  }
}

Graph block_graph() {
  Graph graph(3, 10, 10);
  TensorId x = graph.convolution("stem", graph.input(), 24, 2, 2, 1, 0, 0);
  x = graph.batch_norm("stem.norm", graph.gelu("stem.gelu", x));
  TensorId y = graph.convolution_same("depthwise", x, 24, 5, 24);
  y = graph.batch_norm("depthwise.norm", graph.gelu("depthwise.gelu", y));
  graph.linear("head", graph.global_average_pool("pool", graph.add("add", y, x)), 5);
  return graph;
}

TEST(OnednnPlan, RefusesAHandWrittenStep) {
  const Graph graph = block_graph();
  Parameters parameters(graph);
  const PlanOptions options{.batch_size = 2, .kind = PlanKind::onednn};
  Builder builder(graph, parameters, runtime_of(test_engine()), options);
  builder.begin_forward(graph.nodes()[1]);
  const BufferId buffer = builder.add_buffer({Shape{4}, kernels::ElementType::f32, kernels::Format::plain});
  const Error error = error_of([&] {
    builder.add_step("GELU", "forward", builder.layout(buffer), KernelStep{[] {}, {}});
  });
  EXPECT_EQ(std::string(error.what()),
            "stem.gelu: plan = onednn: oneDNN has no primitive for GELU forward; expected plan = automatic or plain");
}

TEST(OnednnPlan, RefusesWhatDrawsRandomNumbers) {
  Graph graph(3, 4, 4);
  graph.dropout("head_drop", graph.input(), 0.1F);
  Parameters parameters(graph);
  const Error error =
      error_of([&] { Plan(graph, parameters, test_engine(), {.batch_size = 2, .kind = PlanKind::onednn}); });
  EXPECT_EQ(
      std::string(error.what()),
      "head_drop: plan = onednn: oneDNN has no primitive for dropout forward; expected plan = automatic or plain");
  const Error fused =
      error_of([&] { Plan(graph, parameters, test_engine(), {.batch_size = 2, .kind = PlanKind::fused}); });
  EXPECT_THAT(fused.what(), HasSubstr("expected plan = automatic or plain"));
  EXPECT_THAT(fused.what(), Not(HasSubstr("onednn")));
  EXPECT_NO_THROW(
      Plan(graph, parameters, test_engine(), {.batch_size = 2, .mode = PlanMode::inference, .kind = PlanKind::onednn}));
}

std::vector<float> random_values(std::int64_t count, std::uint32_t seed) {
  Rng rng(seed, RandomStream::synthetic_data);
  std::vector<float> values(static_cast<std::size_t>(count));
  std::ranges::generate(values, [&] { return rng.normal(); });
  return values;
}

/// What a training step of four images leaves: logits, gradients and running statistics.
struct Outcome {
  std::vector<float> output;
  std::vector<std::vector<float>> gradients;
  std::vector<float> statistics;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome step_of(const Graph& graph, PlanKind kind, LayoutPolicy layout = LayoutPolicy::automatic) {
  Parameters parameters(graph);
  parameters.initialise(3);
  const std::int64_t batch = 4;
  Plan plan(graph, parameters, test_engine(), {.batch_size = batch, .layout = layout, .kind = kind});
  const std::vector<float> images = random_values(batch * graph.tensors()[0].count(), 1);
  const std::span<const float> output = plan.forward(images);
  Outcome outcome{{output.begin(), output.end()}, {}, {}};
  plan.backward(random_values(batch * graph.tensors().back().count(), 2));
  for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
    const std::span<const float> gradient = parameters.gradient(static_cast<ParameterId>(id));
    outcome.gradients.emplace_back(gradient.begin(), gradient.end());
  }
  outcome.statistics = all_statistics(parameters);
  return outcome;
}

TEST(OnednnPlan, GivesTheSameBitsFromRunToRun) {
  const Graph graph = block_graph();
  const Outcome first = step_of(graph, PlanKind::onednn);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(step_of(graph, PlanKind::onednn), first);
}

TEST(OnednnPlan, AgreesWithHandWrittenKernelsInEveryLayout) {
  const auto view = [](const std::vector<float>& values) -> std::span<const float> { return values; };
  const Graph graph = block_graph();
  const Outcome plain = step_of(graph, PlanKind::plain);
  for (const LayoutPolicy layout : {LayoutPolicy::automatic, LayoutPolicy::channels_last, LayoutPolicy::blocked}) {
    const Outcome onednn = step_of(graph, PlanKind::onednn, layout);
    EXPECT_LE(relative_error(view(onednn.output), view(plain.output)), 1e-5);
    EXPECT_LE(relative_error(view(onednn.statistics), view(plain.statistics)), 1e-5);
    for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
      EXPECT_LE(relative_error(view(onednn.gradients[id]), view(plain.gradients[id])), 1e-4)
          << graph.parameters()[id].name;
    }
  }
}

TEST(OnednnPlan, LeavesTheRunningStatisticsWhenTold) {
  const Graph graph = block_graph();
  Parameters parameters(graph);
  parameters.initialise(3);
  Plan training(graph, parameters, test_engine(), {.batch_size = 4, .kind = PlanKind::onednn});
  const std::vector<float> images = random_values(4 * graph.tensors()[0].count(), 1);
  const std::vector<float> initial = all_statistics(parameters);
  training.forward(images, /*update_statistics=*/false);
  EXPECT_EQ(all_statistics(parameters), initial);
  training.forward(images);
  const std::vector<float> moved = all_statistics(parameters);
  for (std::size_t i = 0; i < moved.size(); ++i) EXPECT_NE(moved[i], initial[i]) << i;
}

}  // namespace
}  // namespace convmixer

// Plans of networks of which parts are frozen.
#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/model/freeze.hpp"
#include "convmixer/plan/plan.hpp"
#include "support/relative_error.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing_support::relative_error;
using testing_support::test_engine;

/// Of a batch.
struct Images {
  std::int64_t count = 3;
  int size = 9;
};

Graph frozen_graph(const std::string& parts, int image_size) {
  Graph graph = make_convmixer({.dim = 40,
                                .depth = 3,
                                .kernel_size = 4,
                                .patch_size = 2,
                                .image_size = image_size,
                                .channels = 2,
                                .classes = 5});
  freeze(graph, parts);
  return graph;
}

std::vector<float> random_values(std::size_t count, std::uint64_t seed) {
  Rng rng(seed, RandomStream::synthetic_data);
  std::vector<float> values(count);
  for (float& value : values) value = rng.normal();
  return values;
}

struct Step {
  Graph graph;
  Parameters parameters{graph};
  Plan plan;
  std::vector<float> images;
  std::vector<float> output_gradient;

  Step(const std::string& parts, PlanKind kind, Images batch = {})
      : graph(frozen_graph(parts, batch.size)),
        plan((initialise(), Plan(graph, parameters, test_engine(), {.batch_size = batch.count, .kind = kind}))),
        images(random_values(static_cast<std::size_t>(batch.count * graph.tensors().front().count()), 1)),
        output_gradient(random_values(static_cast<std::size_t>(batch.count) * 5, 2)) {}

  void initialise() {
    parameters.initialise(3);
    Rng rng(6, RandomStream::synthetic_data);
    for (StatisticId id = 0; id < static_cast<StatisticId>(graph.statistics().size()); ++id)
      for (float& value : parameters.statistic(id)) value += 0.2F * std::abs(rng.normal());
  }
  double objective() {
    const std::span<const float> output = plan.forward(images, false);
    double sum = 0.0;
    for (std::size_t i = 0; i < output.size(); ++i)
      sum += static_cast<double>(output[i]) * static_cast<double>(output_gradient[i]);
    return sum;
  }
  /// Before it, trained parameters' gradients are no numbers: one that isn't computed shows.
  void run() {
    for (std::size_t id = 0; id < graph.parameters().size(); ++id)
      if (is_trained(id))
        std::ranges::fill(parameters.gradient(static_cast<ParameterId>(id)), std::numeric_limits<float>::quiet_NaN());
    (void)plan.forward(images);
    plan.backward(output_gradient);
  }
  [[nodiscard]] bool is_trained(std::size_t id) const { return !graph.parameters()[id].frozen; }
  [[nodiscard]] bool has_gradient(std::size_t id) const {
    return std::ranges::all_of(parameters.gradient(static_cast<ParameterId>(id)),
                               [](float value) { return std::isfinite(value); });
  }
};

class FrozenPlans : public testing::TestWithParam<PlanKind> {};

/// Moving all trained parameters along their gradient changes the objective by the gradient's squares.
TEST_P(FrozenPlans, HaveTheGradientsOfANetworkWhoseFrozenNormsAreGiven) {
  for (const char* parts : {"stem", "blocks.1", "stem,blocks.0-1", "blocks,head", "stem,blocks"}) {
    Step step(parts, GetParam());
    step.run();
    double squares = 0.0;
    std::vector<std::vector<float>> gradients;
    for (std::size_t id = 0; id < step.graph.parameters().size(); ++id) {
      EXPECT_TRUE(!step.is_trained(id) || step.has_gradient(id)) << parts << ": " << step.graph.parameters()[id].name;
      const std::span<const float> gradient = step.parameters.gradient(static_cast<ParameterId>(id));
      gradients.emplace_back(gradient.begin(), gradient.end());
      for (const float value : gradient)
        squares += step.is_trained(id) ? static_cast<double>(value) * static_cast<double>(value) : 0.0;
    }
    ASSERT_GT(squares, 0.0);
    const auto moved = [&](double by) {
      for (std::size_t id = 0; id < gradients.size(); ++id) {
        const std::span<float> values = step.parameters.value(static_cast<ParameterId>(id));
        for (std::size_t i = 0; step.is_trained(id) && i < values.size(); ++i)
          values[i] += static_cast<float>(by * static_cast<double>(gradients[id][i]));
      }
      return step.objective();
    };
    const double way = 2e-3 / std::sqrt(squares);
    const double above = moved(way);
    const double below = moved(-2.0 * way);
    EXPECT_NEAR((above - below) / (2.0 * way) / squares, 1.0, 0.01) << parts;
  }
}

TEST_P(FrozenPlans, LeaveTheStatisticsOfFrozenNormsAndMoveTheOthers) {
  Step step("stem,blocks.0", GetParam());
  std::vector<std::vector<float>> before;
  for (StatisticId id = 0; id < static_cast<StatisticId>(step.graph.statistics().size()); ++id)
    before.emplace_back(step.parameters.statistic(id).begin(), step.parameters.statistic(id).end());
  step.run();
  for (std::size_t id = 0; id < before.size(); ++id) {
    const std::string& name = step.graph.statistics()[id].name;
    const bool is_frozen = name.starts_with("stem.") || name.starts_with("blocks.0.");
    EXPECT_EQ(std::ranges::equal(step.parameters.statistic(static_cast<StatisticId>(id)), before[id]), is_frozen)
        << name;
  }
}

TEST_P(FrozenPlans, GoBackNoFurtherThanToWhatIsTrained) {
  const auto steps_back = [](const Step& step) {
    return std::ranges::count(step.plan.steps(), std::string("backward"),
                              [](const PlannedStep& planned) { return planned.direction.substr(0, 8); });
  };
  EXPECT_LT(steps_back(Step("stem,blocks", GetParam())), steps_back(Step("stem,blocks.0", GetParam())));
  EXPECT_LT(steps_back(Step("stem,blocks.0", GetParam())), steps_back(Step("blocks.0", GetParam())));
}

INSTANTIATE_TEST_SUITE_P(Kinds, FrozenPlans, testing::Values(PlanKind::plain, PlanKind::fused, PlanKind::onednn),
                         [](const auto& kind) { return to_string(kind.param); });

void expect_fused_and_plain_agree(const std::string& parts, Images batch = {}) {
  Step plain(parts, PlanKind::plain, batch);
  Step fused(parts, PlanKind::fused, batch);
  plain.run();
  fused.run();
  for (std::size_t id = 0; id < plain.graph.parameters().size(); ++id) {
    const Parameter& parameter = plain.graph.parameters()[id];
    if (parameter.frozen) continue;
    EXPECT_TRUE(plain.has_gradient(id) && fused.has_gradient(id)) << parts << ": " << parameter.name;
    // A bias before a norm of the batch has next to no gradient: what is left of parts that cancel.
    if (parameter.role == ParameterRole::bias) continue;
    const auto of = [id](Step& step) -> std::span<const float> {
      return step.parameters.gradient(static_cast<ParameterId>(id));
    };
    EXPECT_LT(relative_error(of(fused), of(plain)), 1e-4) << parts << ": " << parameter.name;
  }
}

TEST(FrozenPlan, FusedAndPlainAgree) {
  for (const char* parts : {"stem", "blocks.1", "stem,blocks.0", "head"}) expect_fused_and_plain_agree(parts);
}

/// One image of one patch: the norms' statistics are given, none is of the batch's single value.
TEST(FrozenPlan, TrainsTheHeadOnOneImageOfOnePixel) {
  expect_fused_and_plain_agree("stem,blocks", {.count = 1, .size = 2});
}

}  // namespace
}  // namespace convmixer

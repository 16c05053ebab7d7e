#include "convmixer/core/rng.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/optim/make_optimizer.hpp"
#include "convmixer/optim/optimizer_memory.hpp"
#include "convmixer/plan/engine.hpp"
#include "optim/muon_expected.hpp"
#include "optim/three_updates.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing_support::after_three_updates;
using testing_support::error_of;
using testing_support::for_each_value;

ThreadPool& test_pool() {
  static ThreadPool pool(2);
  return pool;
}

/// Matrices of every kind, Muon's and others: 208 values.
Graph small_graph() {
  Graph graph(3, 3, 3);
  TensorId x = graph.convolution("stem", graph.input(), 5, 1, 1, 1, 0, 0);
  x = graph.convolution_same("depthwise", x, 5, 3, 5);
  x = graph.convolution("tall", x, 7, 1, 1, 1, 0, 0);
  x = graph.convolution("wide", x, 4, 1, 1, 1, 0, 0);
  x = graph.convolution("square", x, 4, 1, 1, 1, 0, 0);
  x = graph.linear("hidden", graph.global_average_pool("pooling", x), 6);
  graph.linear("head", x, 2);
  return graph;
}

// As in make_muon_expected.py.
float start_value(int i) { return static_cast<float>((i * i * 7 + i * 37) % 64 - 32) / 64.0F; }
float gradient_value(int i, int step) {
  return static_cast<float>((i * i * 29 + i * 11 + step * 17) % 64 - 32) / 32.0F;
}
float learning_rate_at(int step) { return 0.0625F / static_cast<float>(1 + step % 2); }

void set_values(Parameters& parameters) {
  for_each_value(parameters, [](int i, float& value, float&) { value = start_value(i); });
}
void set_gradients(Parameters& parameters, int step) {
  for_each_value(parameters, [step](int i, float&, float& gradient) { gradient = gradient_value(i, step); });
}
std::vector<float> all_values(Parameters& parameters) {
  std::vector<float> values;
  for_each_value(parameters, [&](int, float value, float) { values.push_back(value); });
  return values;
}

std::vector<std::string> names_of(const Graph& graph, const std::vector<ParameterId>& ids) {
  std::vector<std::string> names;
  for (const ParameterId id : ids) names.push_back(graph.parameters()[static_cast<std::size_t>(id)].name);
  return names;
}

OptimizerOptions muon(MuonRule rule, float rate_factor = 1.0F, float decay = 0.0F) {
  OptimizerOptions options;
  options.kind = OptimizerKind::muon;
  options.weight_decay = decay;
  options.muon = rule;
  options.muon_rate_factor = rate_factor;
  return options;
}

struct Case {
  const char* name;
  OptimizerOptions options;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

/// Those of make_muon_expected.py, by name.
std::vector<Case> cases() {
  OptimizerOptions renewed = muon({.momentum = 0.6F, .steps = 3, .scaling = MuonScaling::renewed_norms}, 2.0F, 0.25F);
  renewed.decay_norm_and_bias = false;
  OptimizerOptions clipped = muon({.momentum = 0.75F, .nesterov = false, .steps = 4}, 1.0F, 0.25F);
  clipped.clip_norm = 0.5F;
  return {{"match_rms_adamw", muon({}, 1.0F, 0.05F)},
          {"original", muon({.momentum = 0.9F, .steps = 3, .scaling = MuonScaling::original}, 0.5F, 0.5F)},
          {"renewed_norms", renewed},
          {"no_nesterov_clipped", clipped}};
}

class MuonAgainstPyTorch : public testing::TestWithParam<Case> {};

TEST_P(MuonAgainstPyTorch, GivesTheSameWeightsStateAndNormsAfterFiveUpdates) {
  const auto expected = std::ranges::find(kMuon, GetParam().name, &Expected::name);
  ASSERT_NE(expected, kMuon.end());
  const Graph graph = small_graph();
  Parameters parameters(graph);
  set_values(parameters);
  const auto optimizer = make_optimizer(parameters, GetParam().options, test_pool());
  for (int step = 0; step < 5; ++step) {
    set_gradients(parameters, step);
    EXPECT_NEAR(optimizer->step(learning_rate_at(step)), expected->norms[static_cast<std::size_t>(step)], 5e-6);
  }
  // What is expected was computed in double.
  EXPECT_THAT(all_values(parameters), testing::Pointwise(testing::FloatNear(5e-6F), expected->values));
  std::vector<float> state;
  for (const OptimizerState& tensor : optimizer->state()) {
    if (tensor.name.starts_with("momentum_buffer")) {
      state.insert(state.end(), tensor.values.begin(), tensor.values.end());
    }
  }
  EXPECT_THAT(state, testing::Pointwise(testing::FloatNear(1e-6F), expected->state));
}

INSTANTIATE_TEST_SUITE_P(Muon, MuonAgainstPyTorch, testing::ValuesIn(cases()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(HiddenMatrices, AreThoseBetweenTheImageAndTheClassifier) {
  const Graph graph = small_graph();
  EXPECT_THAT(names_of(graph, hidden_matrices(graph)),
              ElementsAre("tall.weight", "wide.weight", "square.weight", "hidden.weight"));
  const Graph convmixer = make_convmixer({.dim = 8, .depth = 2});
  EXPECT_THAT(names_of(convmixer, hidden_matrices(convmixer)), ElementsAre("blocks.0.1.weight", "blocks.1.1.weight"));
}

TEST(HiddenMatrices, AreDenseAndNeitherSmallNorNarrowNorFrozen) {
  Graph graph(3, 4, 4);
  TensorId x = graph.convolution("stem", graph.input(), 4, 1, 1, 1, 0, 0);
  x = graph.convolution_same("dense", x, 4, 3, 1);  // 4 x 36
  x = graph.convolution_same("grouped", x, 8, 3, 2);
  x = graph.convolution("three", x, 3, 1, 1, 1, 0, 0);
  x = graph.convolution("from_three", x, 512, 1, 1, 1, 0, 0);
  x = graph.convolution("128_times", x, 4, 1, 1, 1, 0, 0);
  x = graph.convolution("129_times", x, 516, 1, 1, 1, 0, 0);
  x = graph.convolution("frozen", x, 8, 1, 1, 1, 0, 0);
  graph.linear("head", graph.global_average_pool("pooling", x), 4);
  graph.freeze("frozen");
  EXPECT_THAT(names_of(graph, hidden_matrices(graph)), ElementsAre("dense.weight", "128_times.weight"));
}

TEST(MuonGroups, OfOptionsAreTheMatricesAndAllElse) {
  const Graph graph = small_graph();
  const auto groups = parameter_groups(graph, muon({.momentum = 0.5F}, 3.0F, 0.25F));
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].parameters, hidden_matrices(graph));
  EXPECT_EQ(std::get<MuonRule>(groups[0].rule).momentum, 0.5F);
  EXPECT_EQ(groups[0].rate_factor, 3.0F);
  EXPECT_EQ(groups[0].weight_decay, 0.25F);
  EXPECT_TRUE(std::get<AdamRule>(groups[1].rule).decoupled_decay);
  EXPECT_EQ(groups[1].rate_factor, 1.0F);
  EXPECT_EQ(groups[1].weight_decay, 0.25F);

  OptimizerOptions renewed = muon({.scaling = MuonScaling::renewed_norms}, 1.0F, 0.25F);
  renewed.decay_norm_and_bias = false;
  const auto three = parameter_groups(graph, renewed);
  ASSERT_EQ(three.size(), 3U);
  EXPECT_EQ(three[0].weight_decay, 0.0F) << "norms that are renewed have no decay";
  EXPECT_THAT(names_of(graph, three[1].parameters), ElementsAre("stem.weight", "depthwise.weight", "head.weight"));
  EXPECT_EQ(three[1].weight_decay, 0.25F);
  EXPECT_EQ(three[2].weight_decay, 0.0F);
}

/// Every parameter in one of two groups: the matrices, and SGD for the rest.
std::vector<ParameterGroup> with_sgd(const Graph& graph, const MuonRule& rule, float rate_factor = 1.0F) {
  const std::vector<ParameterId> matrices = hidden_matrices(graph);
  std::vector<ParameterId> others = all_parameters(graph);
  std::erase_if(others, [&](ParameterId id) { return std::ranges::find(matrices, id) != matrices.end(); });
  return {{.name = "matrices", .parameters = matrices, .rule = rule, .rate_factor = rate_factor},
          {.name = "others", .parameters = others, .rule = SgdRule{}}};
}

TEST(MuonGroups, StandBesideOtherRules) {
  const Graph graph = small_graph();
  Parameters parameters(graph);
  const auto optimizer = make_optimizer(parameters, with_sgd(graph, {}), 0.0F, test_pool());
  std::vector<std::string> names;
  for (const OptimizerState& tensor : optimizer->state()) {
    EXPECT_THAT(tensor.values, Each(0.0F)) << tensor.name;
    names.push_back(tensor.name);
  }
  EXPECT_EQ(names.size(), graph.parameters().size()) << "one each";
  EXPECT_THAT(names, testing::IsSupersetOf({"momentum_buffer.tall.weight", "momentum_buffer.stem.bias"}));
}

TEST(MuonGroups, TakeAllParametersThatAreMatricesIfAsked) {
  Graph graph(3, 1, 1);
  graph.linear("head", graph.global_average_pool("pooling", graph.input()), 2);
  Parameters parameters(graph);
  set_gradients(parameters, 0);
  const auto optimizer =
      make_optimizer(parameters, {{.parameters = {0}, .rule = MuonRule{}}, {.parameters = {1}, .rule = AdamRule{}}},
                     0.0F, test_pool());
  optimizer->step(0.5F);
  EXPECT_THAT(parameters.value(0), Each(testing::Ne(0.0F)));
}

TEST(MuonGroups, AreRefusedWhereMuonCantBe) {
  const Graph graph = small_graph();
  Parameters parameters(graph);
  const auto refusal = [&](const MuonRule& rule, float decay = 0.0F, bool biases = false) {
    auto groups = with_sgd(graph, rule);
    groups[0].weight_decay = decay;
    if (biases) std::swap(groups[0].parameters, groups[1].parameters);
    return std::string(error_of([&] { (void)make_optimizer(parameters, groups, 0.0F, test_pool()); }).what());
  };
  EXPECT_EQ(refusal({.momentum = 1.0F}),
            "parameter group 'matrices': momentum = 1: expected a number from 0 to below 1");
  EXPECT_EQ(refusal({.steps = 0}), "parameter group 'matrices': steps of Newton-Schulz = 0: expected 1 to 100");
  EXPECT_EQ(refusal({.steps = 101}), "parameter group 'matrices': steps of Newton-Schulz = 101: expected 1 to 100");
  EXPECT_EQ(refusal({.scaling = MuonScaling::renewed_norms}, 0.5F),
            "parameter group 'matrices': weight decay = 0.5: has no effect on norms that are renewed, expected 0");
  EXPECT_EQ(refusal({}, 0.0F, true),
            "parameter group 'matrices': stem.bias has shape (5), expected a matrix: (out, in) or (out, in, kernel, "
            "kernel)");
}

TEST(MuonGroups, NeedAMatrix) {
  Graph graph = small_graph();
  for (const char* const name : {"tall", "wide", "square", "hidden"}) graph.freeze(name);
  EXPECT_STREQ(error_of([&] { (void)parameter_groups(graph, muon({})); }).what(),
               "muon: no hidden matrix of the network is trained (pointwise convolutions, of 4 channels at least); "
               "expected adamw");
}

/// Weights, state and norms after three updates of a ConvMixer whose five matrices no number of threads but one and
/// five divides, with panels of one and of several channel blocks.
std::vector<double> trained(MuonRule rule, int threads) {
  ThreadPool pool(threads);
  const Graph graph = make_convmixer({.dim = 72, .depth = 5, .kernel_size = 3});
  Parameters parameters(graph);
  parameters.initialise(1);
  OptimizerOptions options = muon(rule, 1.0F, 0.01F);
  options.clip_norm = 1.0F;
  const auto optimizer = make_optimizer(parameters, options, pool);
  return after_three_updates(parameters, *optimizer);
}

TEST(Muon, GivesTheSameBitsForAnyNumberOfThreads) {
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    if (!Engine::supports(precision)) continue;
    const MuonRule rule{.steps = 2, .precision = precision};
    const std::vector<double> expected = trained(rule, 1);
    for (const int threads : {2, 3, 7}) {
      EXPECT_EQ(trained(rule, threads), expected) << to_string(precision) << " on " << threads << " threads";
    }
  }
}

TEST(Muon, InBf16IsNearF32) {
  if (!Engine::supports(Precision::bf16)) GTEST_SKIP() << "nothing is computed in bf16 on this CPU";
  const std::vector<double> expected = trained({}, 1);
  const std::vector<double> found = trained({.precision = Precision::bf16}, 1);
  EXPECT_NE(found, expected);
  // Three updates, each of a root mean square of 0.2 * 0.01.
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(found[i], expected[i], 5e-4) << i;
}

TEST(Muon, LeavesGradientsAndFrozenParametersAsTheyAre) {
  Graph graph = small_graph();
  graph.freeze("wide");
  Parameters parameters(graph);
  set_values(parameters);
  set_gradients(parameters, 1);
  make_optimizer(parameters, muon({}, 1.0F, 0.5F), test_pool())->step(0.5F);
  for_each_value(parameters, [](int i, float, float gradient) { EXPECT_EQ(gradient, gradient_value(i, 1)); });
  Parameters before(graph);
  set_values(before);
  for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
    const auto& parameter = graph.parameters()[id];
    const auto value = parameters.value(static_cast<ParameterId>(id));
    const bool is_unchanged = std::ranges::equal(value, before.value(static_cast<ParameterId>(id)));
    EXPECT_EQ(is_unchanged, parameter.name.starts_with("wide.")) << parameter.name;
  }
}

TEST(Muon, DecaysMatricesAtTheirOwnRateAndLeavesThoseWithoutGradient) {
  const Graph graph = small_graph();
  Parameters parameters(graph);
  set_values(parameters);
  make_optimizer(parameters, muon({.scaling = MuonScaling::original}, 2.0F, 0.5F), test_pool())->step(0.25F);
  for (const ParameterId id : hidden_matrices(graph)) {
    int first = 0;
    for (ParameterId before = 0; before < id; ++before) first += static_cast<int>(parameters.value(before).size());
    EXPECT_FLOAT_EQ(parameters.value(id)[1], start_value(first + 1) * (1.0F - 0.5F * 0.5F));
  }
}

TEST(Muon, RenewsTheNormOfAMatrixThatIsNotZero) {
  const Graph graph = small_graph();
  Parameters parameters(graph);
  set_values(parameters);
  const ParameterId tall = hidden_matrices(graph).front();
  std::ranges::fill(parameters.value(tall + 2), 0.0F);  // wide
  make_optimizer(parameters, muon({.scaling = MuonScaling::renewed_norms}), test_pool())->step(0.25F);
  double squares = 0.0;
  for (const double value : parameters.value(tall)) squares += value * value;
  EXPECT_NEAR(squares, 7.0, 1e-5) << "its rows";
  EXPECT_THAT(parameters.value(tall + 2), Each(0.0F));
}

TEST(Muon, DoesNotHideAGradientThatIsNotFinite) {
  const Graph graph = small_graph();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Parameters parameters(graph);
    set_values(parameters);
    set_gradients(parameters, 0);
    const ParameterId tall = hidden_matrices(graph).front();
    parameters.gradient(tall)[3] = bad;
    EXPECT_FALSE(std::isfinite(make_optimizer(parameters, muon({}), test_pool())->step(0.5F)));
    EXPECT_TRUE(std::isnan(parameters.value(tall)[3]));
  }
}

TEST(Muon, RefusesARateThatAGroupsFactorMakesTooLargeBeforeAnythingIsChanged) {
  const Graph graph = small_graph();
  Parameters parameters(graph);
  set_values(parameters);
  set_gradients(parameters, 0);
  const auto optimizer = make_optimizer(parameters, with_sgd(graph, {}, 1e30F), 0.0F, test_pool());
  const std::vector<float> before = all_values(parameters);
  EXPECT_STREQ(error_of([&] { optimizer->step(1e10F); }).what(),
               "parameter group 'matrices': a learning rate of 10000000000 times 1e+30, expected a number that an f32 "
               "holds");
  EXPECT_EQ(all_values(parameters), before);
}

TEST(Muon, WorksInMemoryForAsManyMatricesAsThereAreThreads) {
  const Graph graph = small_graph();  // four such matrices, of 28 values at most
  OptimizerOptions options{.kind = OptimizerKind::muon};
  const auto bytes = [&](int threads) { return optimizer_working_bytes(graph, options, threads); };
  EXPECT_GE(bytes(1), 2 * 28 * sizeof(float)) << "a matrix and what it is multiplied with";
  EXPECT_EQ(bytes(4), 4 * bytes(1));
  EXPECT_LT(bytes(8), 8 * bytes(1)) << "no more than there are";
  options.kind = OptimizerKind::adamw;
  EXPECT_EQ(bytes(4), 0U);
}

}  // namespace
}  // namespace convmixer

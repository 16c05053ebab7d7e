#include "convmixer/core/error.hpp"
#include "convmixer/core/rng.hpp"
#include "convmixer/optim/make_optimizer.hpp"
#include "optim/pytorch_expected.hpp"
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

using testing_support::after_three_updates;
using testing_support::error_of;
using testing_support::for_each_value;

ThreadPool& test_pool() {
  static ThreadPool pool(2);
  return pool;
}

/// Six parameters, one of every role and kind: 23 values.
Graph tiny_graph() {
  Graph graph(2, 3, 3);
  TensorId x = graph.convolution("stem.0", graph.input(), 3, 1, 1, 1, 0, 0);
  x = graph.batch_norm("stem.2", x);
  x = graph.global_average_pool("pooling", x);
  graph.linear("head", x, 2);
  return graph;
}

// Multiples of powers of two, so that make_expected.py starts from the same bits.
float start_value(int i) { return static_cast<float>((i * 37) % 64 - 32) / 64.0F; }
float gradient_value(int i, int step) { return static_cast<float>((i * 29 + step * 17) % 64 - 32) / 32.0F; }
float learning_rate_at(int step) { return 0.0625F / static_cast<float>(1 + step % 2); }

void set_gradients(Parameters& parameters, int step) {
  for_each_value(parameters, [step](int i, float&, float& gradient) { gradient = gradient_value(i, step); });
}

std::vector<float> all_values(Parameters& parameters) {
  std::vector<float> values;
  for_each_value(parameters, [&](int, float value, float) { values.push_back(value); });
  return values;
}

struct Case {
  const char* name;
  OptimizerOptions options;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

OptimizerOptions adam(OptimizerKind kind, float decay, float epsilon = 1e-8F) {
  OptimizerOptions options;
  options.kind = kind;
  options.weight_decay = decay;
  options.epsilon = epsilon;
  return options;
}

OptimizerOptions sgd(float momentum, bool nesterov, float decay) {
  OptimizerOptions options;
  options.kind = OptimizerKind::sgd;
  options.momentum = momentum;
  options.nesterov = nesterov;
  options.weight_decay = decay;
  return options;
}

OptimizerOptions of_weights_only(OptimizerOptions options, float clip_norm = 0.0F) {
  options.decay_norm_and_bias = false;
  options.clip_norm = clip_norm;
  return options;
}

/// The cases of make_expected.py, by name.
std::vector<Case> cases() {
  OptimizerOptions clipped = of_weights_only(adam(OptimizerKind::adamw, 0.5F), 1.0F);
  clipped.beta1 = 0.8F;
  clipped.beta2 = 0.95F;
  return {
      {"adamw", adam(OptimizerKind::adamw, 0.0F)},
      {"adamw_decay", adam(OptimizerKind::adamw, 0.05F, 1e-3F)},
      {"adamw_decay_of_weights_only_clipped", clipped},
      {"adam_l2", adam(OptimizerKind::adam, 0.1F)},
      {"adam_l2_of_weights_only", of_weights_only(adam(OptimizerKind::adam, 0.5F))},
      {"sgd_plain", sgd(0.0F, false, 0.01F)},
      {"sgd_momentum", sgd(0.9F, false, 0.0F)},
      {"sgd_nesterov_l2", sgd(0.9F, true, 5e-4F)},
      {"sgd_nesterov_l2_of_weights_only_clipped", of_weights_only(sgd(0.9F, true, 0.25F), 0.5F)},
  };
}

class OptimizerAgainstPyTorch : public testing::TestWithParam<Case> {};

TEST_P(OptimizerAgainstPyTorch, GivesTheSameWeightsStateAndNormsAfterFiveUpdates) {
  const auto expected = std::ranges::find(kPyTorch, GetParam().name, &Expected::name);
  ASSERT_NE(expected, kPyTorch.end());
  const Graph graph = tiny_graph();
  Parameters parameters(graph);
  for_each_value(parameters, [](int i, float& value, float&) { value = start_value(i); });
  const auto optimizer = make_optimizer(parameters, GetParam().options, test_pool());

  // PyTorch rounds every operation to f32, in another order: some units in the last place of values up to 1.
  constexpr float kTolerance = 5e-7F;
  for (int step = 0; step < 5; ++step) {
    set_gradients(parameters, step);
    EXPECT_NEAR(optimizer->step(learning_rate_at(step)), expected->norms[static_cast<std::size_t>(step)], 1e-6);
  }
  EXPECT_EQ(optimizer->steps(), 5);
  EXPECT_THAT(all_values(parameters), testing::Pointwise(testing::FloatNear(kTolerance), expected->values));
  std::vector<float> state;
  for (const OptimizerState& tensor : optimizer->state()) {
    state.insert(state.end(), tensor.values.begin(), tensor.values.end());
  }
  EXPECT_THAT(state, testing::Pointwise(testing::FloatNear(kTolerance), expected->state));
}

INSTANTIATE_TEST_SUITE_P(Optimizer, OptimizerAgainstPyTorch, testing::ValuesIn(cases()),
                         [](const auto& test) { return std::string(test.param.name); });

/// One parameter of one value besides an untouched bias, for steps by hand.
class OneWeight : public testing::Test {
 protected:
  static Graph make_graph() {
    Graph graph(1, 1, 1);
    graph.convolution("conv", graph.input(), 1, 1, 1, 1, 0, 0);
    return graph;
  }

  /// Weight after updates with these gradients, from 1, at rate 0.5.
  float after(const OptimizerOptions& options, const std::vector<float>& gradients) {
    Parameters parameters(graph_);
    parameters.value(0)[0] = 1.0F;
    const auto optimizer = make_optimizer(parameters, options, test_pool());
    for (const float gradient : gradients) {
      parameters.gradient(0)[0] = gradient;
      optimizer->step(0.5F);
    }
    return parameters.value(0)[0];
  }

  const Graph graph_ = make_graph();
};

TEST_F(OneWeight, FirstAdamUpdateIsTheLearningRateWhateverTheGradient) {
  EXPECT_FLOAT_EQ(after(adam(OptimizerKind::adam, 0.0F), {4.0F}), 0.5F);
  EXPECT_FLOAT_EQ(after(adam(OptimizerKind::adam, 0.0F), {0.001F}), 0.50000501F);  // epsilon counts: 1 - .5 / 1.00001
  EXPECT_FLOAT_EQ(after(adam(OptimizerKind::adam, 0.0F), {-4.0F}), 1.5F);
}

TEST_F(OneWeight, AdamWShrinksTheWeightBeforeTheUpdate) {
  EXPECT_FLOAT_EQ(after(adam(OptimizerKind::adamw, 0.5F), {4.0F}), 1.0F * (1.0F - 0.5F * 0.5F) - 0.5F);
}

TEST_F(OneWeight, AdamWithDecayFollowsTheSignOfGradientPlusDecay) {
  // g + decay * p = -1 + 2 * 1 > 0: the weight falls by the learning rate.
  EXPECT_FLOAT_EQ(after(adam(OptimizerKind::adam, 2.0F), {-1.0F}), 0.5F);
}

TEST_F(OneWeight, SgdByHand) {
  EXPECT_FLOAT_EQ(after(sgd(0.0F, false, 0.0F), {1.0F, 1.0F}), 0.0F);
  // b = 1, then 0.5 * 1 + 1 = 1.5
  EXPECT_FLOAT_EQ(after(sgd(0.5F, false, 0.0F), {1.0F, 1.0F}), 1.0F - 0.5F * (1.0F + 1.5F));
  // 1 + .5 * 1 = 1.5, then 1 + .5 * 1.5 = 1.75
  EXPECT_FLOAT_EQ(after(sgd(0.5F, true, 0.0F), {1.0F, 1.0F}), 1.0F - 0.5F * (1.5F + 1.75F));
  // g = 1 + 1 * 1
  EXPECT_FLOAT_EQ(after(sgd(0.0F, false, 1.0F), {1.0F}), 0.0F);
}

TEST_F(OneWeight, ClippingScalesTheGradientToTheNorm) {
  OptimizerOptions options = sgd(0.0F, false, 0.0F);
  options.clip_norm = 0.5F;
  EXPECT_NEAR(after(options, {100.0F}), 1.0F - 0.5F * 0.5F, 1e-6F);
  EXPECT_FLOAT_EQ(after(options, {0.25F}), 1.0F - 0.5F * 0.25F);  // smaller ones are left as they are
}

TEST_F(OneWeight, ClippingDoesNotHideAGradientThatIsNotFinite) {
  OptimizerOptions options = sgd(0.0F, false, 0.0F);
  options.clip_norm = 1.0F;
  EXPECT_TRUE(std::isnan(after(options, {std::numeric_limits<float>::quiet_NaN()})));
  EXPECT_TRUE(std::isnan(after(options, {std::numeric_limits<float>::infinity()})));

  // One such gradient makes the norm, and so every update, no number: torch.nn.utils.clip_grad_norm_ does the same.
  Parameters parameters(graph_);
  parameters.gradient(1)[0] = std::numeric_limits<float>::quiet_NaN();
  make_optimizer(parameters, options, test_pool())->step(0.5F);
  EXPECT_TRUE(std::isnan(parameters.value(0)[0]));
}

TEST(Optimizer, NormIsOverAllParametersAndOverAllLengths) {
  // Lengths around the 16 lanes of a vector: 15, 16, 17, 33 values of 2, and biases of 1.
  for (const int channels : {15, 16, 17, 33}) {
    Graph graph(1, 1, 1);
    graph.convolution("conv", graph.input(), channels, 1, 1, 1, 0, 0);
    Parameters parameters(graph);
    std::ranges::fill(parameters.gradient(0), 2.0F);
    std::ranges::fill(parameters.gradient(1), 1.0F);
    const auto optimizer = make_optimizer(parameters, {}, test_pool());
    EXPECT_DOUBLE_EQ(optimizer->step(0.0F), std::sqrt(5.0 * channels));
  }
}

TEST(Optimizer, NormDoesNotOverflowF32) {
  Graph graph(1, 1, 1);
  graph.convolution("conv", graph.input(), 1, 1, 1, 1, 0, 0);
  Parameters parameters(graph);
  parameters.gradient(0)[0] = 3e30F;
  EXPECT_NEAR(make_optimizer(parameters, {}, test_pool())->step(0.0F) / 3e30, 1.0, 1e-6);
}

/// Weights, state and norm after three updates of a network with large and small parameters.
std::vector<double> trained(const OptimizerOptions& options, int threads) {
  ThreadPool pool(threads);
  Graph graph(3, 9, 9);
  TensorId x = graph.convolution("stem.0", graph.input(), 257, 9, 9, 1, 0, 0);
  x = graph.batch_norm("stem.2", x);
  x = graph.convolution("pointwise", x, 131, 1, 1, 1, 0, 0);
  x = graph.global_average_pool("pooling", x);
  graph.linear("head", x, 10);
  Parameters parameters(graph);
  parameters.initialise(1);
  const auto optimizer = make_optimizer(parameters, options, pool);
  return after_three_updates(parameters, *optimizer);
}

TEST(Optimizer, GivesTheSameBitsForAnyNumberOfThreads) {
  for (const Case& one : cases()) {
    const std::vector<double> expected = trained(one.options, 1);
    for (const int threads : {2, 5}) {
      EXPECT_EQ(trained(one.options, threads), expected) << one.name << " on " << threads << " threads";
    }
  }
}

TEST(Optimizer, LeavesGradientsAsTheyAre) {
  for (const Case& one : cases()) {
    const Graph graph = tiny_graph();
    Parameters parameters(graph);
    set_gradients(parameters, 1);
    make_optimizer(parameters, one.options, test_pool())->step(0.5F);
    for_each_value(parameters, [](int i, float, float gradient) { EXPECT_EQ(gradient, gradient_value(i, 1)); });
  }
}

TEST(Optimizer, NamesItsStateAfterTheParameters) {
  const Graph graph = tiny_graph();
  Parameters parameters(graph);
  const auto names = [&](const OptimizerOptions& options) {
    std::vector<std::string> result;
    for (const OptimizerState& tensor : make_optimizer(parameters, options, test_pool())->state()) {
      EXPECT_EQ(static_cast<std::int64_t>(tensor.values.size()), tensor.shape.count());
      result.push_back(tensor.name);
    }
    return result;
  };
  using testing::Contains;
  using testing::IsEmpty;
  using testing::SizeIs;
  EXPECT_THAT(names(adam(OptimizerKind::adamw, 0.0F)),
              testing::AllOf(SizeIs(12), Contains("exp_avg.stem.0.weight"), Contains("exp_avg_sq.head.bias")));
  EXPECT_THAT(names(sgd(0.9F, false, 0.0F)), testing::AllOf(SizeIs(6), Contains("momentum_buffer.stem.2.weight")));
  EXPECT_THAT(names(sgd(0.0F, false, 0.0F)), IsEmpty());
}

TEST(Optimizer, RefusesALearningRateThatIsNegativeOrNotFinite) {
  const Graph graph = tiny_graph();
  Parameters parameters(graph);
  for_each_value(parameters, [](int i, float& value, float&) { value = start_value(i); });
  set_gradients(parameters, 0);
  const auto optimizer = make_optimizer(parameters, adam(OptimizerKind::adamw, 0.5F), test_pool());
  const std::vector<float> before = all_values(parameters);
  const auto message = [&](float rate) { return std::string(error_of([&] { optimizer->step(rate); }).what()); };
  EXPECT_EQ(message(std::numeric_limits<float>::quiet_NaN()),
            "learning rate = nan: expected a finite number of at least 0");
  EXPECT_EQ(message(std::numeric_limits<float>::infinity()),
            "learning rate = inf: expected a finite number of at least 0");
  EXPECT_EQ(message(-0.5F), "learning rate = -0.5: expected a finite number of at least 0");
  EXPECT_EQ(all_values(parameters), before);
  EXPECT_EQ(optimizer->steps(), 0);
}

TEST(Optimizer, RefusesANumberOfStepsThatItCantCountOnFrom) {
  const Graph graph = tiny_graph();
  Parameters parameters(graph);
  const auto optimizer = make_optimizer(parameters, {}, test_pool());
  EXPECT_STREQ(error_of([&] { optimizer->set_steps(-1); }).what(),
               "optimiser: -1 updates made, expected 0 to 4611686018427387904");
  EXPECT_THROW(optimizer->set_steps(std::numeric_limits<std::int64_t>::max()), Error);
}

TEST(Optimizer, SaysHowMuchStateItHas) {
  const Graph graph = tiny_graph();
  Parameters parameters(graph);
  const auto bytes = [&](const OptimizerOptions& options) {
    return make_optimizer(parameters, options, test_pool())->state_size().bytes;
  };
  EXPECT_EQ(bytes(adam(OptimizerKind::adamw, 0.0F)), 2U * 23U * sizeof(float));
  EXPECT_EQ(bytes(sgd(0.9F, false, 0.0F)), 23U * sizeof(float));
  EXPECT_EQ(bytes(sgd(0.0F, false, 0.0F)), 0U);
}

TEST(Optimizer, RefusesOptionsOutOfRange) {
  const Graph graph = tiny_graph();
  Parameters parameters(graph);
  const auto refusal = [&](const OptimizerOptions& options) -> std::string {
    try {
      static_cast<void>(make_optimizer(parameters, options, test_pool()));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "";
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {-0.1F, 1.0F, kNan, kInfinity}) {
    OptimizerOptions options;
    options.beta1 = bad;
    EXPECT_THAT(refusal(options), testing::HasSubstr("beta1 = ")) << bad;
    options = {};
    options.beta2 = bad;
    EXPECT_THAT(refusal(options), testing::HasSubstr("beta2 = ")) << bad;
    EXPECT_THAT(refusal(sgd(bad, false, 0.0F)), testing::HasSubstr("momentum = ")) << bad;
  }
  for (const float bad : {-0.1F, kNan, kInfinity}) {
    EXPECT_THAT(refusal(adam(OptimizerKind::adamw, bad)), testing::HasSubstr("weight decay = ")) << bad;
    EXPECT_THAT(refusal(adam(OptimizerKind::adam, 0.0F, bad)), testing::HasSubstr("epsilon = ")) << bad;
    OptimizerOptions options;
    options.clip_norm = bad;
    EXPECT_THAT(refusal(options), testing::HasSubstr("gradient clipping norm = ")) << bad;
  }
  EXPECT_THAT(refusal(adam(OptimizerKind::adam, 0.0F, 0.0F)), testing::HasSubstr("epsilon = 0"));
  EXPECT_THAT(refusal(sgd(0.0F, true, 0.0F)), testing::HasSubstr("nesterov"));
  for (const Case& one : cases()) EXPECT_EQ(refusal(one.options), "") << one.name;
}

}  // namespace
}  // namespace convmixer

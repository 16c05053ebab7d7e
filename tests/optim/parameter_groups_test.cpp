#include "convmixer/optim/parameter_groups.hpp"

#include "convmixer/optim/make_optimizer.hpp"
#include "support/error_of.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

using testing_support::error_of;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

ThreadPool& test_pool() {
  static ThreadPool pool(2);
  return pool;
}

/// Weight and bias of a convolution and of a linear layer: parameters 0 to 3.
Graph two_layers() {
  Graph graph(2, 1, 1);
  const TensorId x = graph.convolution("conv", graph.input(), 3, 1, 1, 1, 0, 0);
  graph.linear("head", graph.global_average_pool("pool", x), 2);
  return graph;
}

/// Parameters of 1 and gradients of 1.
class Groups : public testing::Test {
 protected:
  Groups() {
    for (const ParameterId id : all_parameters(graph_)) {
      std::ranges::fill(parameters_.value(id), 1.0F);
      std::ranges::fill(parameters_.gradient(id), 1.0F);
    }
  }

  std::unique_ptr<Optimizer> make(const std::vector<ParameterGroup>& groups, float clip_norm = 0.0F) {
    return make_optimizer(parameters_, groups, clip_norm, test_pool());
  }
  [[nodiscard]] float value(ParameterId id) const { return parameters_.value(id)[0]; }
  [[nodiscard]] std::string refusal(const std::vector<ParameterGroup>& groups) {
    const Error error = error_of([&] { (void)make(groups); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }

  const Graph graph_ = two_layers();
  Parameters parameters_{graph_};
};

const SgdRule kPlainSgd{.momentum = 0.0F, .nesterov = false};

/// p -= lr * g for its own parameters.
class PlainSgd final : public Optimizer {
 public:
  PlainSgd(Parameters& network, std::vector<ParameterId> ids, float clip = 0.0F)
      : Optimizer(network, std::move(ids), clip) {}
  [[nodiscard]] std::vector<OptimizerState> state() override { return {}; }
  double update(const OptimizerStep& step) override {
    number = step.number;
    for (const ParameterId id : parameter_ids()) {
      for (std::size_t k = 0; k < parameters().value(id).size(); ++k) {
        parameters().value(id)[k] -= step.learning_rate * step.gradient_scale * parameters().gradient(id)[k];
      }
    }
    return gradient_squares();
  }
  std::int64_t number = 0;
};

OptimizerFactory plain_sgd_of(std::vector<ParameterId> ids, float clip = 0.0F) {
  return [=](Parameters& parameters, const ParameterGroup& /*group*/, ThreadPool& /*pool*/) {
    return std::make_unique<PlainSgd>(parameters, ids, clip);
  };
}

TEST_F(Groups, HaveRatesAndDecaysOfTheirOwn) {
  const auto optimizer = make({{.name = "a", .parameters = {0}, .rule = kPlainSgd},
                               {.name = "b", .parameters = {3, 1}, .rule = kPlainSgd, .rate_factor = 0.5F},
                               {.name = "c", .parameters = {2}, .rule = kPlainSgd, .weight_decay = 2.0F}});
  EXPECT_DOUBLE_EQ(optimizer->step(0.25F), std::sqrt(6.0 + 3.0 + 6.0 + 2.0)) << "the norm is over all groups";
  EXPECT_FLOAT_EQ(value(0), 1.0F - 0.25F);
  EXPECT_FLOAT_EQ(value(1), 1.0F - 0.125F);
  EXPECT_FLOAT_EQ(value(3), 1.0F - 0.125F);
  EXPECT_FLOAT_EQ(value(2), 1.0F - 0.25F * (1.0F + 2.0F * 1.0F));
}

TEST_F(Groups, ApplyTheRateFactorToAdamsStepAndItsDecay) {
  const auto optimizer = make(
      {{.name = "all", .parameters = {0, 1, 2, 3}, .rule = AdamRule{}, .rate_factor = 0.5F, .weight_decay = 0.5F}});
  optimizer->step(0.25F);
  EXPECT_NEAR(value(0), (1.0F - 0.125F * 0.5F) - 0.125F, 1e-6F);
}

TEST_F(Groups, HaveRulesOfTheirOwnInOneOptimizer) {
  const auto optimizer = make({{.name = "adam", .parameters = {0, 2}, .rule = AdamRule{}},
                               {.name = "momentum", .parameters = {1}, .rule = SgdRule{}},
                               {.name = "plain", .parameters = {3}, .rule = kPlainSgd}});
  std::vector<std::string> names;
  for (const OptimizerState& tensor : optimizer->state()) names.push_back(tensor.name);
  EXPECT_EQ(names, (std::vector<std::string>{"exp_avg.conv.weight", "exp_avg.head.weight", "exp_avg_sq.conv.weight",
                                             "exp_avg_sq.head.weight", "momentum_buffer.conv.bias"}));
  EXPECT_EQ(optimizer->state_size().tensors, 5U);
  EXPECT_EQ(optimizer->state_size().bytes, 4U * (6 + 6 + 6 + 6 + 3));
  std::ranges::fill(parameters_.gradient(0), 4.0F);
  optimizer->step(0.25F);
  optimizer->step(0.25F);
  EXPECT_NEAR(value(0), 1.0F - 0.5F, 1e-6F) << "Adam: the rate, whatever the gradient";
  EXPECT_FLOAT_EQ(value(1), 1.0F - 0.25F * (1.0F + 1.9F));
  EXPECT_FLOAT_EQ(value(3), 1.0F - 0.5F);
}

TEST_F(Groups, OfDefaultOptionsAreOneOfAllParameters) {
  const auto groups = parameter_groups(graph_, {.weight_decay = 0.5F});
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].parameters, all_parameters(graph_));
  EXPECT_EQ(groups[0].rate_factor, 1.0F);
  EXPECT_EQ(groups[0].weight_decay, 0.5F);
  EXPECT_TRUE(std::get<AdamRule>(groups[0].rule).decoupled_decay);
}

TEST_F(Groups, SpareNormsAndBiasesFromDecayWhereOptionsSaySo) {
  const auto groups = parameter_groups(graph_, {.weight_decay = 0.5F, .decay_norm_and_bias = false});
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].parameters, (std::vector<ParameterId>{0, 2}));
  EXPECT_EQ(groups[0].weight_decay, 0.5F);
  EXPECT_EQ(groups[1].parameters, (std::vector<ParameterId>{1, 3}));
  EXPECT_EQ(groups[1].weight_decay, 0.0F);
}

TEST_F(Groups, AreClippedTogetherWhateverUpdatesThem) {
  // 17 gradients of 1: each counts 1 / sqrt(17).
  const std::vector<ParameterGroup> with_factory{{.name = "a", .parameters = {0, 3}, .rule = kPlainSgd},
                                                 {.name = "b", .parameters = {1, 2}, .rule = plain_sgd_of({2, 1})}};
  const auto optimizer = make(with_factory, 1.0F);
  EXPECT_DOUBLE_EQ(optimizer->step(0.5F), std::sqrt(17.0));
  for (const ParameterId id : all_parameters(graph_)) {
    EXPECT_NEAR(value(id), 1.0F - 0.5F / std::sqrt(17.0F), 1e-6F) << id;
  }
  EXPECT_EQ(optimizer->steps(), 1);
}

TEST_F(Groups, WithFactoriesAloneCountUpdatesOnce) {
  PlainSgd* made = nullptr;
  const OptimizerFactory factory = [&made](Parameters& parameters, const ParameterGroup& group, ThreadPool& /*pool*/) {
    auto optimizer = std::make_unique<PlainSgd>(parameters, group.parameters);
    made = optimizer.get();
    return optimizer;
  };
  const auto optimizer = make({{.name = "all", .parameters = {0, 1, 2, 3}, .rule = factory}});
  optimizer->set_steps(41);
  optimizer->step(0.5F);
  EXPECT_EQ(optimizer->steps(), 42);
  EXPECT_EQ(made->number, 42) << "what Adam's bias correction would be made with";
}

TEST_F(Groups, HoldEveryParameterExactlyOnce) {
  EXPECT_EQ(refusal({{.name = "a", .parameters = {0, 1, 3}}}),
            "head.weight: in no parameter group, expected in exactly one");
  EXPECT_EQ(refusal({{.name = "a", .parameters = {0, 1}}, {.name = "b", .parameters = {2, 1, 3}}}),
            "parameter group 'b': conv.bias is in another group already, expected in exactly one");
  EXPECT_EQ(refusal({{.name = "a", .parameters = {0, 0, 1, 2, 3}}}),
            "parameter group 'a': conv.weight is listed twice, expected once");
  EXPECT_EQ(refusal({{.name = "a", .parameters = {0, 1, 2, 3, 4}}}),
            "parameter group 'a': parameter 4: the network has only 4");
  EXPECT_EQ(refusal({{.parameters = {-1}}}), "parameter group 0: parameter -1: the network has only 4");
}

TEST_F(Groups, RefuseSettingsOutOfRange) {
  EXPECT_EQ(refusal({{.name = "a", .rate_factor = kNan}}),
            "parameter group 'a': rate factor = nan: expected a number of at least 0");
  EXPECT_EQ(refusal({{.name = "a", .weight_decay = -1.0F}}),
            "parameter group 'a': weight decay = -1: expected a number of at least 0");
  EXPECT_EQ(refusal({{.name = "a", .rule = AdamRule{.beta1 = 1.0F}}}),
            "parameter group 'a': beta1 = 1: expected a number from 0 to below 1");
  EXPECT_EQ(refusal({{.name = "a", .rule = OptimizerFactory()}}),
            "parameter group 'a': its factory of optimisers is empty");
}

TEST_F(Groups, RefuseOptimizersThatDontFit) {
  const std::vector<ParameterId> all = all_parameters(graph_);
  EXPECT_EQ(refusal({{.name = "a", .parameters = all, .rule = plain_sgd_of({0, 1})}}),
            "parameter group 'a': its optimiser updates other parameters than the group's");
  EXPECT_EQ(refusal({{.name = "a", .parameters = all, .rule = plain_sgd_of(all, 1.0F)}}),
            "parameter group 'a': its optimiser clips gradients by itself, expected a clip_norm of 0: it is one of all "
            "groups together");
  const OptimizerFactory none = [](Parameters&, const ParameterGroup&, ThreadPool&) { return nullptr; };
  EXPECT_EQ(refusal({{.name = "a", .parameters = all, .rule = none}}),
            "parameter group 'a': its factory made no optimiser");
}

TEST_F(Groups, RefuseARateThatTheirFactorMakesTooLarge) {
  ThreadPool pool(1);
  const auto optimizer = make_optimizer(
      parameters_, {{.name = "a", .parameters = all_parameters(graph_), .rate_factor = 1e30F}}, 0.0F, pool);
  const std::vector<float> before(parameters_.value(0).begin(), parameters_.value(0).end());
  EXPECT_EQ(std::string(error_of([&] { optimizer->step(1e10F); }).what()),
            "parameter group 'a': a learning rate of 10000000000 times 1e+30, expected a number that an f32 holds");
  EXPECT_EQ(optimizer->steps(), 0);
  EXPECT_TRUE(std::ranges::equal(parameters_.value(0), before));
}

TEST_F(Groups, AreCheckedByEveryOptimizer) {
  const auto message = [&](std::vector<ParameterId> ids, float clip) {
    return std::string(error_of([&] { PlainSgd(parameters_, std::move(ids), clip); }).what());
  };
  EXPECT_EQ(message({0, 4}, 0.0F), "optimiser: parameter 4: the network has only 4");
  EXPECT_EQ(message({1, 0, 1}, 0.0F), "optimiser: parameter 1 is listed twice");
  EXPECT_EQ(message({0}, kNan), "gradient clipping norm = nan: expected a number of at least 0");
}

}  // namespace
}  // namespace convmixer

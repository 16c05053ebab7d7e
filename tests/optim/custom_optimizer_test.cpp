// How a user of the library writes an optimiser: against its public headers alone.
#include "convmixer/core/rng.hpp"
#include "convmixer/core/thread_pool.hpp"
#include "convmixer/model/convmixer.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/optim/make_optimizer.hpp"
#include "convmixer/plan/engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

/// Sign-SGD with momentum (Bernstein et al., "signSGD", arXiv 1802.04434, algorithm 2):
///     m = beta * m + (1 - beta) * g
///     p -= lr * sign(m)
class SignSgd final : public Optimizer {
 public:
  SignSgd(Parameters& network, std::vector<ParameterId> ids, float beta)
      : Optimizer(network, std::move(ids)), beta_(beta) {
    for (const ParameterId id : parameter_ids()) momentum_.emplace_back(network.value(id).size());
  }

  [[nodiscard]] std::vector<OptimizerState> state() override {
    std::vector<OptimizerState> tensors;
    for (std::size_t i = 0; i < momentum_.size(); ++i) {
      const auto id = static_cast<std::size_t>(parameter_ids()[i]);
      const Parameter& parameter = parameters().graph().parameters()[id];
      tensors.push_back({"sign_momentum." + parameter.name, parameter.shape, momentum_[i]});
    }
    return tensors;
  }

  double update(const OptimizerStep& step) override {
    for (std::size_t i = 0; i < momentum_.size(); ++i) {
      const std::span<float> values = parameters().value(parameter_ids()[i]);
      const std::span<const float> gradients = parameters().gradient(parameter_ids()[i]);
      for (std::size_t k = 0; k < values.size(); ++k) {
        float& m = momentum_[i][k];
        m = beta_ * m + (1.0F - beta_) * step.gradient_scale * gradients[k];
        values[k] -= step.learning_rate * static_cast<float>((m > 0.0F) - (m < 0.0F));
      }
    }
    return gradient_squares();
  }

 private:
  float beta_;
  std::vector<std::vector<float>> momentum_;  // in the order of parameter_ids()
};

/// A small ConvMixer and eight random images of eight classes.
class CustomOptimizer : public testing::Test {
 protected:
  CustomOptimizer() {
    network_.parameters().initialise(1);
    Rng rng(1, RandomStream::synthetic_data);
    images_.resize(std::size_t{8} * 3 * 8 * 8);
    std::ranges::generate(images_, [&] { return rng.normal(); });
    for (int i = 0; i < 8; ++i) labels_.push_back(i);
  }

  BatchResult train(Optimizer& optimizer, int steps, float learning_rate) {
    BatchResult result;
    for (int step = 0; step < steps; ++step) {
      result = network_.train_batch(images_, {.labels = labels_, .soft = {}});
      optimizer.step(learning_rate);
    }
    return result;
  }

  static constexpr ConvMixerConfig kModel{
      .dim = 16, .depth = 1, .kernel_size = 3, .patch_size = 2, .image_size = 8, .channels = 3, .classes = 8};
  ThreadPool pool_{2};
  Engine engine_{pool_};
  Network network_{make_convmixer(kModel), Precision::f32, engine_};
  std::vector<float> images_;
  std::vector<std::int32_t> labels_;
};

TEST_F(CustomOptimizer, TrainsANetworkByItself) {
  SignSgd optimizer(network_.parameters(), all_parameters(network_.graph()), 0.9F);
  EXPECT_GT(train(optimizer, 1, 0.0F).loss(), 1.5) << "near ln 8";
  const BatchResult result = train(optimizer, 60, 0.005F);
  EXPECT_LT(result.loss(), 0.1);
  EXPECT_EQ(result.correct, 8);
  EXPECT_EQ(optimizer.steps(), 61);
}

TEST_F(CustomOptimizer, SaysHowMuchStateItHas) {
  SignSgd optimizer(network_.parameters(), all_parameters(network_.graph()), 0.9F);
  EXPECT_EQ(optimizer.state_size().tensors, network_.graph().parameters().size());
  EXPECT_EQ(optimizer.state_size().bytes, 4U * static_cast<std::size_t>(parameter_count(network_.graph())));
}

TEST_F(CustomOptimizer, ReturnsTheGradientsNorm) {
  SignSgd optimizer(network_.parameters(), all_parameters(network_.graph()), 0.9F);
  train(optimizer, 1, 0.001F);
  double squares = 0.0;
  for (const ParameterId id : all_parameters(network_.graph())) {
    for (const double g : network_.parameters().gradient(id)) squares += g * g;
  }
  EXPECT_NEAR(optimizer.step(0.0F), std::sqrt(squares), 1e-9 * std::sqrt(squares));
}

TEST_F(CustomOptimizer, TrainsSomeParametersBesideAdamWForTheRest) {
  const Graph& graph = network_.graph();
  const auto is_matrix = [](const Parameter& parameter) { return parameter.shape.rank() > 1; };
  const auto sign_sgd = [](Parameters& parameters, const ParameterGroup& group, ThreadPool& /*pool*/) {
    return std::make_unique<SignSgd>(parameters, group.parameters, 0.9F);
  };
  const std::vector<ParameterGroup> groups{
      {.name = "matrices", .parameters = select_parameters(graph, is_matrix), .rule = sign_sgd},
      {.name = "others", .parameters = select_parameters(graph, std::not_fn(is_matrix)), .rule = AdamRule{}}};
  const auto optimizer = make_optimizer(network_.parameters(), groups, 1.0F, pool_);
  EXPECT_EQ(optimizer->state_size().tensors, groups[0].parameters.size() + 2 * groups[1].parameters.size());
  const BatchResult result = train(*optimizer, 60, 0.005F);
  EXPECT_LT(result.loss(), 0.1);
  EXPECT_EQ(result.correct, 8);
}

}  // namespace
}  // namespace convmixer

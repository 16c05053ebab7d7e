// The optimiser's update of all parameters of the network, in its tasks on all threads.
#include "convmixer/core/error.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/optim/make_optimizer.hpp"
#include "operation.hpp"
#include "stage_batch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

namespace convmixer::perf {

namespace {

// Per parameter, a square root or division counted as one: the gradient scaled and with its decay added 3, the mean
// gradient 3, the mean squared gradient 4, the denominator 3, the parameter 4, the sum of the gradients' squares 2.
constexpr double kAdamFlops = 19.0;

constexpr float kLearningRate = 1e-3F;
constexpr float kDecay = 0.05F;

class AdamW {
 public:
  explicit AdamW(Trial& trial) : graph_(make_graph(trial.setting().model)), parameters_(graph_) {
    const OptimizerOptions options{.kind = OptimizerKind::adamw, .weight_decay = kDecay};
    optimizer_ = make_optimizer(parameters_, options, trial.pool());
    for (ParameterId id = 0; id < count(); ++id) {
      fill(parameters_.value(id), 2 * static_cast<std::uint64_t>(id) + 1);
      fill(parameters_.gradient(id), 2 * static_cast<std::uint64_t>(id) + 2);
    }
    const auto numbers = static_cast<double>(parameter_count(graph_));
    trial.count(kAdamFlops * numbers, Unit::vector);
    constexpr int kReadAndWritten = 3;  // parameters, mean gradients, mean squared gradients; and gradients are read
    trial.count_bytes((2 * kReadAndWritten + 1) * sizeof(float) * numbers);
  }

  void run() { optimizer_->step(kLearningRate); }

  /// One more update, beside the formula (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2) in double.
  void check() {
    std::vector<std::vector<double>> expected;
    const std::vector<OptimizerState> state = optimizer_->state();  // mean gradients, then mean squares
    const auto t = static_cast<double>(optimizer_->steps() + 1);
    for (ParameterId id = 0; id < count(); ++id) {
      const auto index = static_cast<std::size_t>(id);
      expected.push_back(updated(id, state[index].values, state[index + state.size() / 2].values, t));
    }
    run();
    Comparison values("AdamW's update", kernels::ElementType::f32);
    for (ParameterId id = 0; id < count(); ++id) {
      const std::span<const float> found = parameters_.value(id);
      for (std::size_t i = 0; i < found.size(); i += std::max<std::size_t>(found.size() / 16, 1)) {
        values.add(number(found[i]), expected[static_cast<std::size_t>(id)][i],
                   fmt::format("{} [{}]", graph_.parameters()[static_cast<std::size_t>(id)].name, i));
      }
    }
    values.finish();
  }

 private:
  [[nodiscard]] ParameterId count() const { return static_cast<ParameterId>(graph_.parameters().size()); }
  static void fill(std::span<float> values, std::uint64_t seed) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.01F * stage_noise(seed, i, {});
  }

  [[nodiscard]] std::vector<double> updated(ParameterId id, std::span<const float> mean, std::span<const float> square,
                                            double t) const {
    constexpr double kBeta1 = 0.9;
    constexpr double kBeta2 = 0.999;
    constexpr double kAdamEpsilon = 1e-8;
    const std::span<const float> values = parameters_.value(id);
    const std::span<const float> gradients = parameters_.gradient(id);
    std::vector<double> result;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double g = number(gradients[i]);
      const double m = (kBeta1 * number(mean[i]) + (1.0 - kBeta1) * g) / (1.0 - std::pow(kBeta1, t));
      const double v = (kBeta2 * number(square[i]) + (1.0 - kBeta2) * g * g) / (1.0 - std::pow(kBeta2, t));
      const double rate = number(kLearningRate);
      result.push_back(number(values[i]) * (1.0 - rate * number(kDecay)) - rate * m / (std::sqrt(v) + kAdamEpsilon));
    }
    return result;
  }

  Graph graph_;
  Parameters parameters_;
  std::unique_ptr<Optimizer> optimizer_;
};

void adamw(Trial& trial) {
  const auto adam = std::make_shared<AdamW>(trial);
  trial.run("hand-written", [adam] { adam->run(); });
  trial.expect([adam] { adam->check(); });
}

/// The same in every precision.
}  // namespace

std::vector<Operation> optimizer_operations() { return {{"AdamW", "update", "optimiser", adamw, measured_once}}; }

}  // namespace convmixer::perf

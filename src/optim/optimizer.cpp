#include "convmixer/optim/optimizer.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/trace.hpp"
#include "optim/adam.hpp"
#include "optim/sgd.hpp"

#include <array>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <string_view>

namespace convmixer {

namespace {

/// Sum of squares in double. Lanes of partial sums, because one sum would be a chain of dependent additions that no
/// compiler may vectorise; their number is fixed, so the result is the same on every machine.
double sum_of_squares(std::span<const float> values) {
  constexpr std::size_t kLanes = 16;
  std::array<double, kLanes> lanes{};
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double value = values[i + lane];
      lanes[lane] += value * value;
    }
  }
  for (std::size_t lane = 0; i < values.size(); ++i, ++lane) {
    const double value = values[i];
    lanes[lane] += value * value;
  }
  double sum = 0.0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

bool is_decayed_always(ParameterRole role) { return role == ParameterRole::weight; }

void require_at_least_zero(std::string_view name, float value) {
  if (!(value >= 0.0F) || !std::isfinite(value)) fail_usage("{} = {}: expected a number of at least 0", name, value);
}

void require_fraction(std::string_view name, float value) {
  if (!(value >= 0.0F && value < 1.0F)) fail_usage("{} = {}: expected a number from 0 to below 1", name, value);
}

void validate(const OptimizerOptions& options) {
  require_at_least_zero("weight decay", options.weight_decay);
  require_at_least_zero("gradient clipping norm", options.clip_norm);
  if (options.kind == OptimizerKind::sgd) {
    require_fraction("momentum", options.momentum);
    if (options.nesterov && options.momentum == 0.0F) {
      fail_usage("nesterov: needs a momentum above 0, found momentum = 0");
    }
    return;
  }
  require_fraction("beta1", options.beta1);
  require_fraction("beta2", options.beta2);
  if (!(options.epsilon > 0.0F) || !std::isfinite(options.epsilon)) {
    fail_usage("epsilon = {}: expected a number above 0", options.epsilon);
  }
}

}  // namespace

Optimizer::Optimizer(Parameters& parameters, const OptimizerOptions& options)
    : parameters_(parameters), options_(options) {}

double Optimizer::step(float learning_rate) {
  assert(learning_rate >= 0.0F);
  static const TraceName kOptimiser("optimiser");
  const TraceScope scope(kOptimiser);
  const std::vector<Parameter>& all = parameters_.graph().parameters();
  double squares = 0.0;
  for (std::size_t index = 0; index < all.size(); ++index) {
    squares += sum_of_squares(parameters_.gradient(static_cast<ParameterId>(index)));
  }
  const double norm = std::sqrt(squares);

  float gradient_scale = 1.0F;
  if (options_.clip_norm > 0.0F) {
    const double scale = static_cast<double>(options_.clip_norm) / (norm + 1e-6);
    // Written so that a norm that is not a number goes on to the weights, as in PyTorch, rather than vanish here.
    gradient_scale = scale > 1.0 ? 1.0F : static_cast<float>(scale);
  }

  ++steps_;
  for (std::size_t index = 0; index < all.size(); ++index) {
    const bool decayed = options_.decay_norm_and_bias || is_decayed_always(all[index].role);
    update(static_cast<ParameterId>(index), learning_rate, gradient_scale, decayed ? options_.weight_decay : 0.0F);
  }
  return norm;
}

std::unique_ptr<Optimizer> make_optimizer(Parameters& parameters, const OptimizerOptions& options) {
  validate(options);
  if (options.kind == OptimizerKind::sgd) return std::make_unique<Sgd>(parameters, options);
  return std::make_unique<Adam>(parameters, options);
}

}  // namespace convmixer

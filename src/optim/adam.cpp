#include "optim/adam.hpp"

#include <cmath>
#include <cstddef>

namespace convmixer {

namespace {

/// One update's factors, the same for all values of a parameter.
struct Factors {
  float gradient_scale;
  float l2;    // decay added to the gradient
  float keep;  // factor of the decoupled decay
  float one_minus_beta1;
  float beta2;
  float one_minus_beta2;
  float inverse_sqrt_correction2;
  float epsilon;
  float step_size;
};

void update_values(std::span<float> values, std::span<const float> gradients, std::span<float> exp_avg,
                   std::span<float> exp_avg_sq, const Factors& factors) {
  // Locals that can't alias, so that the compiler vectorises the loop.
  float* __restrict p = values.data();
  const float* __restrict g = gradients.data();
  float* __restrict m = exp_avg.data();
  float* __restrict v = exp_avg_sq.data();
  const Factors f = factors;
  const std::size_t count = values.size();
  for (std::size_t i = 0; i < count; ++i) {
    const float gradient = g[i] * f.gradient_scale + f.l2 * p[i];
    m[i] += f.one_minus_beta1 * (gradient - m[i]);
    v[i] = f.beta2 * v[i] + f.one_minus_beta2 * gradient * gradient;
    const float denominator = std::sqrt(v[i]) * f.inverse_sqrt_correction2 + f.epsilon;
    p[i] = p[i] * f.keep - f.step_size * (m[i] / denominator);
  }
}

}  // namespace

Adam::Adam(Parameters& parameters, const OptimizerOptions& options)
    : Optimizer(parameters, options), exp_avg_(parameters.graph()), exp_avg_sq_(parameters.graph()) {}

std::vector<OptimizerState> Adam::state() {
  std::vector<OptimizerState> tensors;
  exp_avg_.list("exp_avg", parameters_.graph(), tensors);
  exp_avg_sq_.list("exp_avg_sq", parameters_.graph(), tensors);
  return tensors;
}

void Adam::update(ParameterId id, float learning_rate, float gradient_scale, float decay) {
  const bool decoupled = options_.kind == OptimizerKind::adamw;
  const double lr = learning_rate;
  const double beta1 = options_.beta1;
  const double beta2 = options_.beta2;
  const auto t = static_cast<double>(steps_);
  const double correction1 = 1.0 - std::pow(beta1, t);
  const double correction2 = 1.0 - std::pow(beta2, t);
  Factors factors{};
  factors.gradient_scale = gradient_scale;
  factors.l2 = decoupled ? 0.0F : decay;
  factors.keep = decoupled ? static_cast<float>(1.0 - lr * static_cast<double>(decay)) : 1.0F;
  factors.one_minus_beta1 = static_cast<float>(1.0 - beta1);
  factors.beta2 = options_.beta2;
  factors.one_minus_beta2 = static_cast<float>(1.0 - beta2);
  factors.inverse_sqrt_correction2 = static_cast<float>(1.0 / std::sqrt(correction2));
  factors.epsilon = options_.epsilon;
  factors.step_size = static_cast<float>(lr / correction1);
  update_values(parameters_.value(id), parameters_.gradient(id), exp_avg_.of(id), exp_avg_sq_.of(id), factors);
}

}  // namespace convmixer

#include "optim/update_factors.hpp"

#include "convmixer/core/error.hpp"

#include <cmath>
#include <limits>

namespace convmixer {

namespace {

kernels::AdamFactors adam_factors(const AdamRule& rule, double rate, float decay, const OptimizerStep& step) {
  const double beta1 = rule.beta1;
  const double beta2 = rule.beta2;
  const auto t = static_cast<double>(step.number);
  const double correction1 = 1.0 - std::pow(beta1, t);
  const double correction2 = 1.0 - std::pow(beta2, t);
  return {.gradient_scale = step.gradient_scale,
          .l2 = rule.decoupled_decay ? 0.0F : decay,
          .keep = rule.decoupled_decay ? static_cast<float>(1.0 - rate * static_cast<double>(decay)) : 1.0F,
          .one_minus_beta1 = static_cast<float>(1.0 - beta1),
          .beta2 = rule.beta2,
          .one_minus_beta2 = static_cast<float>(1.0 - beta2),
          .inverse_sqrt_correction2 = static_cast<float>(1.0 / std::sqrt(correction2)),
          .epsilon = rule.epsilon,
          .step_size = static_cast<float>(rate / correction1)};
}

}  // namespace

double learning_rate_of(const ParameterGroup& group, const OptimizerStep& step) {
  const double rate = static_cast<double>(step.learning_rate) * static_cast<double>(group.rate_factor);
  if (rate > static_cast<double>(std::numeric_limits<float>::max())) {
    fail_usage("parameter group '{}': a learning rate of {} times {}, expected a number that an f32 holds", group.name,
               step.learning_rate, group.rate_factor);
  }
  return rate;
}

UpdateFactors update_factors(const ParameterGroup& group, const OptimizerStep& step) {
  const double rate = learning_rate_of(group, step);
  if (const auto* adam = std::get_if<AdamRule>(&group.rule)) return adam_factors(*adam, rate, group.weight_decay, step);
  const auto& sgd = std::get<SgdRule>(group.rule);
  return kernels::SgdFactors{.gradient_scale = step.gradient_scale,
                             .l2 = group.weight_decay,
                             .momentum = sgd.momentum,
                             .learning_rate = static_cast<float>(rate),
                             .nesterov = sgd.nesterov};
}

}  // namespace convmixer

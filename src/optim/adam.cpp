#include "optim/adam.hpp"

#include "optim/update_parts.hpp"

#include <cmath>

namespace convmixer {

Adam::Adam(Parameters& parameters, const OptimizerOptions& options, ThreadPool& pool)
    : Optimizer(parameters, options, pool), exp_avg_(parameters.graph()), exp_avg_sq_(parameters.graph()) {}

std::vector<OptimizerState> Adam::state() {
  std::vector<OptimizerState> tensors;
  exp_avg_.list("exp_avg", parameters_.graph(), tensors);
  exp_avg_sq_.list("exp_avg_sq", parameters_.graph(), tensors);
  return tensors;
}

void Adam::begin_update(float learning_rate, float gradient_scale) {
  const double beta1 = options_.beta1;
  const double beta2 = options_.beta2;
  const auto t = static_cast<double>(steps_);
  const double correction1 = 1.0 - std::pow(beta1, t);
  const double correction2 = 1.0 - std::pow(beta2, t);
  learning_rate_ = learning_rate;
  factors_ = {.gradient_scale = gradient_scale,
              .l2 = 0.0F,
              .keep = 1.0F,
              .one_minus_beta1 = static_cast<float>(1.0 - beta1),
              .beta2 = options_.beta2,
              .one_minus_beta2 = static_cast<float>(1.0 - beta2),
              .inverse_sqrt_correction2 = static_cast<float>(1.0 / std::sqrt(correction2)),
              .epsilon = options_.epsilon,
              .step_size = static_cast<float>(learning_rate_ / correction1)};
}

double Adam::update(const UpdatePart& part, float decay) {
  kernels::AdamFactors factors = factors_;
  if (options_.kind == OptimizerKind::adamw) {
    factors.keep = static_cast<float>(1.0 - learning_rate_ * static_cast<double>(decay));
  } else {
    factors.l2 = decay;
  }
  return kernels::adam_update({.values = parameters_.value(part.id).data() + part.begin,
                               .gradients = parameters_.gradient(part.id).data() + part.begin,
                               .exp_avg = exp_avg_.of(part.id).data() + part.begin,
                               .exp_avg_sq = exp_avg_sq_.of(part.id).data() + part.begin,
                               .count = part.count,
                               .factors = factors});
}

}  // namespace convmixer

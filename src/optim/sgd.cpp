#include "optim/sgd.hpp"

#include "optim/update_parts.hpp"

namespace convmixer {

Sgd::Sgd(Parameters& parameters, const OptimizerOptions& options, ThreadPool& pool)
    : Optimizer(parameters, options, pool) {
  if (options.momentum > 0.0F) momentum_buffer_ = Moments(parameters.graph());
}

std::vector<OptimizerState> Sgd::state() {
  std::vector<OptimizerState> tensors;
  momentum_buffer_.list("momentum_buffer", parameters_.graph(), tensors);
  return tensors;
}

void Sgd::begin_update(float learning_rate, float gradient_scale) {
  factors_ = {.gradient_scale = gradient_scale,
              .l2 = 0.0F,
              .momentum = options_.momentum,
              .learning_rate = learning_rate,
              .nesterov = options_.nesterov};
}

double Sgd::update(const UpdatePart& part, float decay) {
  kernels::SgdFactors factors = factors_;
  factors.l2 = decay;
  const bool has_momentum = options_.momentum > 0.0F;
  return kernels::sgd_update(
      {.values = parameters_.value(part.id).data() + part.begin,
       .gradients = parameters_.gradient(part.id).data() + part.begin,
       .momentum_buffer = has_momentum ? momentum_buffer_.of(part.id).data() + part.begin : nullptr,
       .count = part.count,
       .factors = factors});
}

}  // namespace convmixer

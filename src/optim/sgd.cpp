#include "optim/sgd.hpp"

#include <cstddef>

namespace convmixer {

namespace {

/// One update's factors, the same for all values of a parameter.
struct Factors {
  float learning_rate;
  float gradient_scale;
  float decay;
  float momentum;
};

// Locals that can't alias, so that the compiler vectorises the loops.

void update_plain(std::span<float> values, std::span<const float> gradients, const Factors& factors) {
  float* __restrict p = values.data();
  const float* __restrict g = gradients.data();
  const Factors f = factors;
  const std::size_t count = values.size();
  for (std::size_t i = 0; i < count; ++i) {
    const float gradient = g[i] * f.gradient_scale + f.decay * p[i];
    p[i] -= f.learning_rate * gradient;
  }
}

template <bool Nesterov>
void update_with_momentum(std::span<float> values, std::span<const float> gradients, std::span<float> buffer,
                          const Factors& factors) {
  float* __restrict p = values.data();
  const float* __restrict g = gradients.data();
  float* __restrict b = buffer.data();
  const Factors f = factors;
  const std::size_t count = values.size();
  for (std::size_t i = 0; i < count; ++i) {
    const float gradient = g[i] * f.gradient_scale + f.decay * p[i];
    b[i] = f.momentum * b[i] + gradient;
    p[i] -= f.learning_rate * (Nesterov ? gradient + f.momentum * b[i] : b[i]);
  }
}

}  // namespace

Sgd::Sgd(Parameters& parameters, const OptimizerOptions& options) : Optimizer(parameters, options) {
  if (options.momentum > 0.0F) momentum_buffer_ = Moments(parameters.graph());
}

std::vector<OptimizerState> Sgd::state() {
  std::vector<OptimizerState> tensors;
  momentum_buffer_.list("momentum_buffer", parameters_.graph(), tensors);
  return tensors;
}

void Sgd::update(ParameterId id, float learning_rate, float gradient_scale, float decay) {
  const Factors factors{learning_rate, gradient_scale, decay, options_.momentum};
  const std::span<float> values = parameters_.value(id);
  const std::span<const float> gradients = parameters_.gradient(id);
  if (options_.momentum == 0.0F) {
    update_plain(values, gradients, factors);
  } else if (options_.nesterov) {
    update_with_momentum<true>(values, gradients, momentum_buffer_.of(id), factors);
  } else {
    update_with_momentum<false>(values, gradients, momentum_buffer_.of(id), factors);
  }
}

}  // namespace convmixer

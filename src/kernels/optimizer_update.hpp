/// Optimisers' updates of a run of parameters, each value read once and written once. The compiler's own loops are for
/// the oldest CPU there is: four lanes and no fused multiply-add.
///
/// Each function returns the sum of the squares of the gradients in double, in an order that depends on `count` and the
/// instruction set alone. Gradients stay as they are.
#pragma once

#include <cstddef>

namespace convmixer::kernels {

/// What is the same for all values of a parameter in one update; see adam_update.
struct AdamFactors {
  float gradient_scale;
  float l2;    ///< decay added to the gradient
  float keep;  ///< factor of the decoupled decay
  float one_minus_beta1;
  float beta2;
  float one_minus_beta2;
  float inverse_sqrt_correction2;
  float epsilon;
  float step_size;
};

struct AdamArguments {
  float* values;
  const float* gradients;
  float* exp_avg;
  float* exp_avg_sq;
  std::size_t count;
  AdamFactors factors;
};

/// With g = gradient_scale * gradient + l2 * p:
///     m += one_minus_beta1 * (g - m)
///     v  = beta2 * v + one_minus_beta2 * g^2
///     p  = keep * p - step_size * m / (inverse_sqrt_correction2 * sqrt(v) + epsilon)
double adam_update(const AdamArguments& arguments);

struct SgdFactors {
  float gradient_scale;
  float l2;
  float momentum;
  float learning_rate;
  bool nesterov;
};

struct SgdArguments {
  float* values;
  const float* gradients;
  float* momentum_buffer;  ///< null: no momentum
  std::size_t count;
  SgdFactors factors;
};

/// With g = gradient_scale * gradient + l2 * p:
///     b  = momentum * b + g
///     p -= learning_rate * (nesterov ? g + momentum * b : b)
/// Without momentum, p -= learning_rate * g.
double sgd_update(const SgdArguments& arguments);

struct MuonArguments {
  const float* gradients;
  float* momentum_buffer;
  float* direction;  ///< what Newton-Schulz makes orthogonal
  std::size_t count;
  float gradient_scale;
  float one_minus_momentum;
  bool nesterov;
};

struct MuonSquares {
  double gradients;  ///< as the other updates'
  double direction;
};

/// With g = gradient_scale * gradient:
///     m += one_minus_momentum * (g - m)
///     u  = nesterov ? m + one_minus_momentum * (g - m) : m
MuonSquares muon_direction(const MuonArguments& arguments);

/// p = keep * p - rate * u
void muon_update(float* values, const float* direction, std::size_t count, float keep, float rate);

/// The sum alone, the same as an update's to the last bit.
double sum_of_squares(const float* gradients, std::size_t count);

}  // namespace convmixer::kernels

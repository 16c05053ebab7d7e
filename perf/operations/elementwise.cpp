// GELU and residual sum.
#include "operation.hpp"

#include <cmath>
#include <numbers>

namespace convmixer::perf {

namespace {

using kernels::Layout;
using kernels::Role;

// Per element, an erf or exp counted as one:
// x * (1 / sqrt 2), erf, + 1, * x, * 1 / 2.
constexpr double kGeluFlops = 5.0;
// Phi(x) = (erf(x / sqrt 2) + 1) / 2: 4; x phi(x) = x * exp(-x * x / 2) / sqrt(2 pi): 5; their sum, times diff_dst: 2.
constexpr double kGeluGradientFlops = 11.0;

double elements(const Layout& layout) { return static_cast<double>(layout.shape().count()); }

/// Phi(x), the standard normal distribution.
double normal_below(double x) { return 0.5 * (1.0 + std::erf(x / std::numbers::sqrt2)); }

void gelu_forward(Trial& trial) {
  const Layout layout = trial.activations();
  const Tensor& src = trial.input(layout, {-4.0F, 4.0F});
  const Tensor& dst = trial.output(layout);
  trial.run(kernels::gelu_forward(trial.runtime(), layout, true), {{Role::src, &src}, {Role::dst, &dst}});
  trial.count(kGeluFlops * elements(layout), Unit::vector);
  trial.expect(dst, [&src](const Index& at) { return src.at(at) * normal_below(src.at(at)); });
}

void gelu_backward(Trial& trial) {
  const Layout layout = trial.activations();
  const Tensor& src = trial.input(layout, {-4.0F, 4.0F});
  const Tensor& diff_dst = trial.input(layout);
  const Tensor& diff_src = trial.output(layout);
  trial.run(kernels::gelu_backward(trial.runtime(), layout),
            {{Role::src, &src}, {Role::diff_dst, &diff_dst}, {Role::diff_src, &diff_src}});
  trial.count(kGeluGradientFlops * elements(layout), Unit::vector);
  trial.expect(diff_src, [&src, &diff_dst](const Index& at) {
    const double x = src.at(at);
    const double density = std::exp(-0.5 * x * x) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
    return diff_dst.at(at) * (normal_below(x) + x * density);
  });
}

/// Forward of the residual, and what adds up gradients backward.
void add(Trial& trial) {
  const Layout layout = trial.activations();
  const Tensor& a = trial.input(layout);
  const Tensor& b = trial.input(layout);
  const Tensor& sum = trial.output(layout);
  trial.run(kernels::add(trial.runtime(), layout), {{Role::summand0, &a}, {Role::summand1, &b}, {Role::dst, &sum}});
  trial.count(elements(layout), Unit::vector);
  trial.expect(sum, [&a, &b](const Index& at) { return a.at(at) + b.at(at); });
}

}  // namespace

std::vector<Operation> elementwise_operations() {
  return {
      {"GELU", "forward", "oneDNN", gelu_forward},
      {"GELU", "backward", "oneDNN", gelu_backward},
      {"residual add", "forward", "oneDNN", add},
  };
}

}  // namespace convmixer::perf

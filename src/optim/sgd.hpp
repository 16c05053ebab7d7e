/// Stochastic gradient descent with momentum.
#pragma once

#include "convmixer/optim/optimizer.hpp"
#include "kernels/optimizer_update.hpp"
#include "optim/moments.hpp"

namespace convmixer {

/// torch.optim.SGD of PyTorch 2.6 (torch/optim/sgd.py, _single_tensor_sgd) with dampening 0:
///     g += decay * p
///     b  = momentum * b + g               (b is 0 before the first update, where PyTorch sets b = g)
///     p -= lr * (nesterov ? g + momentum * b : b)
/// Without momentum, p -= lr * g and there is no state.
class Sgd final : public Optimizer {
 public:
  Sgd(Parameters& parameters, const OptimizerOptions& options, ThreadPool& pool);

  [[nodiscard]] std::vector<OptimizerState> state() override;

 protected:
  void begin_update(float learning_rate, float gradient_scale) override;
  double update(const UpdatePart& part, float decay) override;

 private:
  kernels::SgdFactors factors_{};  // of a parameter without decay
  Moments momentum_buffer_;        // b, as PyTorch names it; empty without momentum
};

}  // namespace convmixer

/// Adam and AdamW.
#pragma once

#include "convmixer/optim/optimizer.hpp"
#include "kernels/optimizer_update.hpp"
#include "optim/moments.hpp"

namespace convmixer {

/// torch.optim.Adam and torch.optim.AdamW of PyTorch 2.6 (torch/optim/adam.py, _single_tensor_adam;
/// torch/optim/adamw.py, _single_tensor_adamw) without amsgrad. At update t:
///     adam:  g += decay * p               adamw:  p *= 1 - lr * decay
///     m += (1 - beta1) * (g - m)
///     v  = beta2 * v + (1 - beta2) * g^2
///     p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
/// Kingma & Ba, arXiv 1412.6980; Loshchilov & Hutter, arXiv 1711.05101.
class Adam final : public Optimizer {
 public:
  Adam(Parameters& parameters, const OptimizerOptions& options, ThreadPool& pool);

  [[nodiscard]] std::vector<OptimizerState> state() override;

 protected:
  void begin_update(float learning_rate, float gradient_scale) override;
  double update(const UpdatePart& part, float decay) override;

 private:
  double learning_rate_ = 0.0;
  kernels::AdamFactors factors_{};  // of a parameter without decay
  Moments exp_avg_;                 // m, as PyTorch names it
  Moments exp_avg_sq_;              // v
};

}  // namespace convmixer

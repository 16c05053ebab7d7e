/// Optimisers: AdamW, Adam and SGD as PyTorch defines them.
#pragma once

#include "convmixer/core/shape.hpp"
#include "convmixer/graph/parameters.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

enum class OptimizerKind { adamw, adam, sgd };

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::adamw;
  float weight_decay = 0.0F;        ///< adamw: decoupled; adam and sgd: L2, added to the gradient
  float beta1 = 0.9F;               ///< adam, adamw
  float beta2 = 0.999F;             ///< adam, adamw
  float epsilon = 1e-8F;            ///< adam, adamw
  float momentum = 0.9F;            ///< sgd
  bool nesterov = false;            ///< sgd
  bool decay_norm_and_bias = true;  ///< false: no decay for biases, norm scales and shifts (timm's habit)
  float clip_norm = 0.0F;           ///< > 0: gradients are scaled so that their joint 2-norm is at most this
};

/// One named tensor of optimiser state ("exp_avg.stem.0.weight"), f32, shaped as its parameter.
struct OptimizerState {
  std::string name;
  Shape shape;
  std::span<float> values;
};

/// Updates every parameter of a network from its gradient.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// One update at this learning rate (>= 0). Returns the gradients' joint 2-norm before clipping, summed in double
  /// in a fixed order. The gradients themselves are left as they are. Clipping as torch.nn.utils.clip_grad_norm_:
  /// every gradient times min(1, clip_norm / (norm + 1e-6)).
  double step(float learning_rate);

  /// Updates made so far; part of the state (Adam's bias correction).
  [[nodiscard]] std::int64_t steps() const noexcept { return steps_; }
  void set_steps(std::int64_t steps) noexcept { steps_ = steps; }

  /// Every state tensor, in a fixed order; writing to the spans restores the state.
  [[nodiscard]] virtual std::vector<OptimizerState> state() = 0;

 protected:
  Optimizer(Parameters& parameters, const OptimizerOptions& options);

  /// Updates one parameter from gradient * gradient_scale; steps_ counts this update already. `decay` is the weight
  /// decay that holds for it.
  virtual void update(ParameterId id, float learning_rate, float gradient_scale, float decay) = 0;

  Parameters& parameters_;
  OptimizerOptions options_;
  std::int64_t steps_ = 0;
};

/// An optimiser of `parameters`, which must outlive it. Throws Error (usage) naming the option that is out of range.
[[nodiscard]] std::unique_ptr<Optimizer> make_optimizer(Parameters& parameters, const OptimizerOptions& options);

}  // namespace convmixer

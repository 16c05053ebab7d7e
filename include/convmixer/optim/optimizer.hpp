/// Optimisers: AdamW, Adam and SGD as PyTorch defines them.
#pragma once

#include "convmixer/core/shape.hpp"
#include "convmixer/core/thread_pool.hpp"
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

struct UpdatePart;
class UpdateParts;

/// Updates every parameter of a network from its gradient, in tasks on a pool's threads; results are the same for any
/// number of them.
class Optimizer {
 public:
  virtual ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One update at this learning rate (>= 0), in one pass over all values; with clipping, after one over the gradients.
  /// Returns the gradients' joint 2-norm before clipping, summed in double in a fixed order. The gradients themselves
  /// are left as they are. Clipping as torch.nn.utils.clip_grad_norm_: every gradient times
  /// min(1, clip_norm / (norm + 1e-6)).
  double step(float learning_rate);

  /// Updates made so far; part of the state (Adam's bias correction).
  [[nodiscard]] std::int64_t steps() const noexcept { return steps_; }
  void set_steps(std::int64_t steps) noexcept { steps_ = steps; }

  /// Every state tensor, in a fixed order; writing to the spans restores the state.
  [[nodiscard]] virtual std::vector<OptimizerState> state() = 0;

 protected:
  Optimizer(Parameters& parameters, const OptimizerOptions& options, ThreadPool& pool);

  /// Sets what all parts have in common in the update to come, from gradient * gradient_scale; steps_ counts it
  /// already.
  virtual void begin_update(float learning_rate, float gradient_scale) = 0;
  /// Updates some values of a parameter; `decay` is the weight decay that holds for it. Returns the sum of their
  /// gradients' squares. Called for several parts at once.
  virtual double update(const UpdatePart& part, float decay) = 0;

  Parameters& parameters_;
  OptimizerOptions options_;
  std::int64_t steps_ = 0;

 private:
  template <typename Body>
  double sum_over_parts(const Body& body);

  ThreadPool& pool_;
  std::unique_ptr<const UpdateParts> parts_;
  std::vector<double> sums_;  // by task
};

/// An optimiser of `parameters`, which must outlive it, as must the pool. Throws Error (usage) naming the option that
/// is out of range.
[[nodiscard]] std::unique_ptr<Optimizer> make_optimizer(Parameters& parameters, const OptimizerOptions& options,
                                                        ThreadPool& pool);

}  // namespace convmixer

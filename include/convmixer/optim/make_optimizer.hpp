/// The library's optimisers: AdamW, Adam and SGD as PyTorch defines them, for all parameters or by groups.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/optim/optimizer.hpp"
#include "convmixer/optim/parameter_groups.hpp"

#include <memory>
#include <vector>

namespace convmixer {

enum class OptimizerKind { adamw, adam, sgd };

/// One rule for all parameters that aren't frozen.
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

/// The options as groups: one of all trained parameters, or weights with decay and the rest without. Throws Error
/// (usage) naming the option that is out of range.
[[nodiscard]] std::vector<ParameterGroup> parameter_groups(const Graph& graph, const OptimizerOptions& options);

/// An optimiser of `parameters`, which must outlive it, as must the pool, on whose threads an update runs. Results are
/// the same bits for any number of them. Throws Error (usage) naming the option that is out of range.
[[nodiscard]] std::unique_ptr<Optimizer> make_optimizer(Parameters& parameters, const OptimizerOptions& options,
                                                        ThreadPool& pool);

/// The same for groups; with clip_norm > 0 the gradients of all groups together are scaled so that their joint 2-norm
/// is at most that. All groups with a rule of the library are updated in one pass; those with a factory after it, in
/// their order. Throws Error (usage) naming the group unless every parameter is in exactly one group, or frozen and in
/// none, and every setting in its range, and for a factory whose optimiser doesn't fit its group.
[[nodiscard]] std::unique_ptr<Optimizer> make_optimizer(Parameters& parameters,
                                                        const std::vector<ParameterGroup>& groups, float clip_norm,
                                                        ThreadPool& pool);

}  // namespace convmixer

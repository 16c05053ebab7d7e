/// The library's optimisers: AdamW, Adam, SGD and Muon as PyTorch defines them, for all parameters or by groups.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/optim/optimizer.hpp"
#include "convmixer/optim/parameter_groups.hpp"

#include <memory>
#include <vector>

namespace convmixer {

enum class OptimizerKind {
  adamw,
  adam,
  sgd,
  muon,  ///< of hidden_matrices(); adamw of all other parameters
};

/// One rule for all parameters that aren't frozen, or two with muon.
struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::adamw;
  float weight_decay = 0.0F;        ///< adamw and muon: decoupled; adam and sgd: L2, added to the gradient
  float beta1 = 0.9F;               ///< adam, adamw, and muon's adamw
  float beta2 = 0.999F;             ///< adam, adamw, and muon's adamw
  float epsilon = 1e-8F;            ///< adam, adamw, and muon's adamw
  float momentum = 0.9F;            ///< sgd
  bool nesterov = false;            ///< sgd
  bool decay_norm_and_bias = true;  ///< false: no decay for biases, norm scales and shifts (timm's habit)
  float clip_norm = 0.0F;           ///< > 0: gradients are scaled so that their joint 2-norm is at most this
  MuonRule muon{};                  ///< muon: of the matrices
  float muon_rate_factor = 1.0F;    ///< muon: the matrices' learning rate, in rates of a step; finite, at least 0
};

/// The weights that Muon is for: of convolutions without groups (pointwise ones among them) and of linear layers, but
/// not of those that read the image, nor of the last one, the classifier (KellerJordan/Muon), nor such whose matrix,
/// out x (in kernel kernel), has a side below 4 or one more than 128 times the other (timm's muon.py). None that is
/// frozen.
[[nodiscard]] std::vector<ParameterId> hidden_matrices(const Graph& graph);

/// The options as groups: one of all trained parameters, or weights with decay and the rest without; with muon, one of
/// the hidden matrices before them. Throws Error (usage) naming the option that is out of range, and for muon on a
/// graph without hidden matrices.
[[nodiscard]] std::vector<ParameterGroup> parameter_groups(const Graph& graph, const OptimizerOptions& options);

/// An optimiser of `parameters`, which must outlive it, as must the pool, on whose threads an update runs. Results are
/// the same bits for any number of them. Throws Error (usage) naming the option that is out of range.
[[nodiscard]] std::unique_ptr<Optimizer> make_optimizer(Parameters& parameters, const OptimizerOptions& options,
                                                        ThreadPool& pool);

/// The same for groups; with clip_norm > 0 the gradients of all groups together are scaled so that their joint 2-norm
/// is at most that. All groups with AdamRule or SgdRule are updated in one pass; the others after it, in their order.
/// Throws Error (usage) naming the group unless every parameter is in exactly one group, or frozen and in none, and
/// every setting in its range, and for a factory whose optimiser doesn't fit its group.
[[nodiscard]] std::unique_ptr<Optimizer> make_optimizer(Parameters& parameters,
                                                        const std::vector<ParameterGroup>& groups, float clip_norm,
                                                        ThreadPool& pool);

}  // namespace convmixer

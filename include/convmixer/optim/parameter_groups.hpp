/// Which parameters are updated how: rules, and the groups of parameters that they hold for.
#pragma once

#include "convmixer/core/precision.hpp"
#include "convmixer/core/thread_pool.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/optim/optimizer.hpp"

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace convmixer {

/// torch.optim.Adam and torch.optim.AdamW of PyTorch 2.6 (torch/optim/adam.py, _single_tensor_adam;
/// torch/optim/adamw.py, _single_tensor_adamw) without amsgrad. At update t:
///     Adam:  g += decay * p               AdamW:  p *= 1 - lr * decay
///     m += (1 - beta1) * (g - m)
///     v  = beta2 * v + (1 - beta2) * g^2
///     p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
/// Kingma & Ba, arXiv 1412.6980; Loshchilov & Hutter, arXiv 1711.05101. State: m, "exp_avg", and v, "exp_avg_sq".
struct AdamRule {
  bool decoupled_decay = true;  ///< AdamW; false: Adam, whose decay is an L2 term of the gradient
  float beta1 = 0.9F;           ///< from 0 to below 1
  float beta2 = 0.999F;         ///< from 0 to below 1
  float epsilon = 1e-8F;        ///< above 0
};

/// torch.optim.SGD of PyTorch 2.6 (torch/optim/sgd.py, _single_tensor_sgd) with dampening 0:
///     g += decay * p
///     b  = momentum * b + g               (b is 0 before the first update, where PyTorch sets b = g)
///     p -= lr * (nesterov ? g + momentum * b : b)
/// State: b, "momentum_buffer". Without momentum, p -= lr * g and there is no state.
struct SgdRule {
  float momentum = 0.9F;  ///< from 0 to below 1
  bool nesterov = false;  ///< needs a momentum above 0
};

/// How large the updates of a rows x columns matrix are whose singular values Muon has made about 1.
enum class MuonScaling {
  original,         ///< sqrt(max(1, rows / columns)): KellerJordan/Muon (1 for convolutions there); rates of about 0.02
  match_rms_adamw,  ///< 0.2 sqrt(max(rows, columns)): as large as AdamW's, so that its learning rates and decays hold
                    ///< (Liu et al., "Muon is scalable for LLM training", arXiv 2502.16982; torch.optim.Muon)
  renewed_norms     ///< 1, and before it p <- p sqrt(rows) / |p|_F instead of a decay: KellerJordan/cifar10-airbench
};

/// Muon: SGD with momentum whose updates are made orthogonal (Keller Jordan,
/// https://kellerjordan.github.io/posts/muon/; torch.optim.Muon of PyTorch 2.9). For matrices: weights of shape (out,
/// in), and (out, in, kernel, kernel) as out x (in kernel kernel).
///     m += (1 - momentum) * (g - m)
///     u  = nesterov ? m + (1 - momentum) * (g - m) : m
///     p *= 1 - lr * decay                 (renewed norms: p *= sqrt(rows) / |p|_F)
///     p -= lr * scale * o                 (o: u with its singular values about 1; scale: see MuonScaling)
/// o comes from Newton-Schulz iterations, whose coefficients and epsilon are those of both sources. State: m,
/// "momentum_buffer". cifar10-airbench's momentum buffer is m / (1 - momentum): o is the same.
struct MuonRule {
  float momentum = 0.95F;  ///< from 0 to below 1
  bool nesterov = true;
  int steps = 5;  ///< of Newton-Schulz, 1 to 100
  MuonScaling scaling = MuonScaling::match_rms_adamw;
  Precision precision = Precision::f32;  ///< of the iterations' products; in bf16 their operands are rounded to it
};

struct ParameterGroup;

/// Makes an optimiser of the user's own for a group: of its parameters alone, and without clipping, which is over all
/// groups together.
using OptimizerFactory =
    std::function<std::unique_ptr<Optimizer>(Parameters& parameters, const ParameterGroup& group, ThreadPool& pool)>;

/// Parameters that are updated alike.
struct ParameterGroup {
  std::string name{};  ///< for messages: "weights"
  std::vector<ParameterId> parameters{};
  std::variant<AdamRule, SgdRule, MuonRule, OptimizerFactory> rule{};
  float rate_factor = 1.0F;   ///< times the learning rate of a step; finite, at least 0
  float weight_decay = 0.0F;  ///< finite, at least 0; 0 with renewed norms
};

}  // namespace convmixer

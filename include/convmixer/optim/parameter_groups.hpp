/// Which parameters are updated how: rules, and the groups of parameters that they hold for.
#pragma once

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

struct ParameterGroup;

/// Makes an optimiser of the user's own for a group: of its parameters alone, and without clipping, which is over all
/// groups together.
using OptimizerFactory =
    std::function<std::unique_ptr<Optimizer>(Parameters& parameters, const ParameterGroup& group, ThreadPool& pool)>;

/// Parameters that are updated alike.
struct ParameterGroup {
  std::string name{};  ///< for messages: "weights"
  std::vector<ParameterId> parameters{};
  std::variant<AdamRule, SgdRule, OptimizerFactory> rule{};
  float rate_factor = 1.0F;   ///< times the learning rate of a step; finite, at least 0
  float weight_decay = 0.0F;  ///< finite, at least 0
};

}  // namespace convmixer

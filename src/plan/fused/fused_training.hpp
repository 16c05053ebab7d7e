/// A training step of a chain in fused stages.
///
/// Everything between two batch norms is done image by image: a task takes its chunk of the batch from norm to norm,
/// each image in the cache of one core. A norm's statistics need the whole batch, so the tasks meet there, twice per
/// block and direction:
///   forward   depthwise stage  a = norm(g), h = gelu(depthwise(a))           pointwise stage  y = norm(h) + a, g =
///   gelu(W y) backward  pointwise stage  du = norm'(da) gelu', dW += du y, dy = W' du   depthwise stage  dv =
///   norm'(dy) gelu', da = ...
/// Kept for backward are the values behind each GELU and its derivative there; what the norms make of them is computed
/// again, which takes less time than reading it.
#pragma once

#include "plan/execution.hpp"
#include "plan/fused/stage_chain.hpp"

namespace convmixer {

[[nodiscard]] std::unique_ptr<Execution> make_fused_training(const StageChain& chain, Parameters& parameters,
                                                             Engine& engine, const PlanOptions& options,
                                                             const Execution* lender);

/// Inference in fused stages: no task meets another before the logits.
[[nodiscard]] std::unique_ptr<Execution> make_fused_inference(const StageChain& chain, Parameters& parameters,
                                                              Engine& engine, const PlanOptions& options,
                                                              const Execution* lender);

}  // namespace convmixer

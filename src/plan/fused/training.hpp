/// A training step of a chain in fused stages.
///
/// Everything between two batch norms is done image by image: a task takes its chunk of the batch from norm to norm,
/// each image in the cache of one core. A norm's statistics need the whole batch, so the tasks meet there, twice per
/// mixer block and direction. With the block's input x:
// clang-format off
///
///              depthwise stage                        pointwise stage
///   forward    x -> h = gelu(depthwise(x))       ->   y = norm(h) + x  ->  g = gelu(W y)  ->  x of the next = norm(g)
///   backward   dx = dy + depthwise'(dv)          <-   dy = W' du       <-  du = norm'(dg) gelu'(u)  <-  dx of the next
///              dv = norm'(dy) gelu'(v)                dW = sum of du y'
///
// clang-format on
/// With a pointwise residual, x of the next = norm(g) + y, which its depthwise stage forms and keeps, and dy has dx of
/// the next added. A stage's step: tasks take chunks of the batch through it and leave sums; they meet; tasks of some
/// channels each add up the chunks' sums to the next norm's coefficients and, in backward, to the stage's gradients,
/// which then are final.
///
/// Kept for backward are the values after each GELU and its derivative there; what the norms make of them is computed
/// again, which takes less time than reading it.
/// Sizes (chunk): see "Words" in HACKING.md.
#pragma once

#include "plan/execution.hpp"
#include "plan/fused/stage_chain.hpp"

#include <memory>

namespace convmixer::fused {

[[nodiscard]] std::unique_ptr<Execution> make_training(const StageChain& chain, Parameters& parameters, Engine& engine,
                                                       const ExecutionOptions& options, const Execution* lender);

}  // namespace convmixer::fused

/// Inference of a chain in fused stages: a task takes an image from the stem to the head in one core's cache, and meets
/// no other before the logits.
#pragma once

#include "plan/execution.hpp"
#include "plan/fused/stage_chain.hpp"

#include <memory>

namespace convmixer::fused {

[[nodiscard]] std::unique_ptr<Execution> make_inference(const StageChain& chain, Parameters& parameters, Engine& engine,
                                                        const ExecutionOptions& options, const Execution* lender);

}  // namespace convmixer::fused

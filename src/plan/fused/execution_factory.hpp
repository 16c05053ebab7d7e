/// ConvMixer-like graphs run in fused stages: a task takes some images through everything between two statistics of the
/// whole batch, in one core's cache.
#pragma once

#include "plan/execution.hpp"

namespace convmixer {

/// Nothing, and the reason in `why_not`, if the graph isn't such a chain (see stage_chain.hpp), if a layout is asked
/// for, or the gradient of the images. Throws Error (usage) where a norm in training would see a
/// single value per channel.
[[nodiscard]] std::unique_ptr<Execution> make_fused_execution(const Graph& graph, Parameters& parameters,
                                                              Engine& engine, const ExecutionOptions& options,
                                                              const Execution* lender, std::string& why_not);

}  // namespace convmixer

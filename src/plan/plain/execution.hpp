/// A graph run as it stands: a primitive per node and direction. Takes any graph, and is what fused plans are checked
/// against. Plans of oneDNN's primitives alone (PlanKind::onednn) are these without a hand-written kernel.
#pragma once

#include "plan/execution.hpp"

namespace convmixer {

/// Throws Error naming the node that can't be planned.
[[nodiscard]] std::unique_ptr<Execution> make_plain_execution(const Graph& graph, Parameters& parameters,
                                                              Engine& engine, const ExecutionOptions& options,
                                                              const Execution* lender);

}  // namespace convmixer

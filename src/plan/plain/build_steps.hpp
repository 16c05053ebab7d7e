/// Turns a graph into the steps of its plain plan: one primitive per node and direction, reorders where layouts differ.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/plan/plan_options.hpp"
#include "plan/plain/step_list.hpp"

namespace convmixer {

/// Throws Error naming the node that can't be planned.
[[nodiscard]] StepList build_steps(const Graph& graph, Parameters& parameters, kernels::Runtime& runtime,
                                   const PlanOptions& options);

}  // namespace convmixer

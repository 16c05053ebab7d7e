/// What can be chosen about an execution: PlanOptions, and what only tests and benchmarks choose.
#pragma once

#include "convmixer/plan/plan.hpp"
#include "plan/product_kernels.hpp"

namespace convmixer {

struct ExecutionOptions : PlanOptions {
  ProductKernels products = ProductKernels::automatic;  ///< of fused plans
};

/// As Plan's constructor without a lender.
[[nodiscard]] Plan make_plan(const Graph& graph, Parameters& parameters, Engine& engine,
                             const ExecutionOptions& options);

}  // namespace convmixer

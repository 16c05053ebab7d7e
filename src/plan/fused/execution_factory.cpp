#include "plan/fused/execution_factory.hpp"

#include "plan/fused/inference.hpp"
#include "plan/fused/stage_chain.hpp"
#include "plan/fused/training.hpp"
#include "plan/plan_checks.hpp"

#include <algorithm>
#include <cstdint>
#include <variant>

namespace convmixer {

namespace {

void check_norms(const Graph& graph, const StageChain& chain, const ExecutionOptions& options) {
  const std::int64_t images = options.norms_span_ranks() ? options.images_of_all_ranks : options.batch_size;
  const auto first = std::ranges::find_if(graph.nodes(), [](const Node& node) {
    const auto* const norm = std::get_if<BatchNorm>(&node.operation);
    return norm != nullptr && !norm->frozen;
  });
  if (first != graph.nodes().end())
    require_several_values(first->name, images, static_cast<std::int64_t>(chain.height),
                           static_cast<std::int64_t>(chain.width));
}

}  // namespace

std::unique_ptr<Execution> make_fused_execution(const Graph& graph, Parameters& parameters, Engine& engine,
                                                const ExecutionOptions& options, const Execution* lender,
                                                std::string& why_not) {
  if (options.layout != LayoutPolicy::automatic) why_not = "fused stages have a layout of their own";
  if (options.input_gradient) why_not = "fused stages give no gradient of the images";
  if (!why_not.empty()) return nullptr;
  const std::optional<StageChain> chain = find_stage_chain(graph, &why_not, options.mode);
  if (!chain) return nullptr;
  if (options.mode == PlanMode::inference) return fused::make_inference(*chain, parameters, engine, options, lender);
  check_norms(graph, *chain, options);
  return fused::make_training(*chain, parameters, engine, options, lender);
}

}  // namespace convmixer

#include "plan/fused_execution.hpp"

#include "convmixer/core/error.hpp"
#include "plan/fused_training.hpp"
#include "plan/stage_chain.hpp"

namespace convmixer {

std::unique_ptr<Execution> make_fused_execution(const Graph& graph, Parameters& parameters, Engine& engine,
                                                const PlanOptions& options, const Execution* lender) {
  if (options.layout != LayoutPolicy::automatic || options.input_gradient) return nullptr;
  const std::optional<StageChain> chain = find_stage_chain(graph);
  if (!chain || chain->blocks.empty()) return nullptr;
  if (options.mode == PlanMode::inference) return make_fused_inference(*chain, parameters, engine, options, lender);
  if (options.batch_size * static_cast<std::int64_t>(chain->height * chain->width) < 2)
    return nullptr;  // plain refuses it
  return make_fused_training(*chain, parameters, engine, options, lender);
}

}  // namespace convmixer

#include "plan/fused/execution_factory.hpp"

#include "convmixer/core/error.hpp"
#include "plan/fused/inference.hpp"
#include "plan/fused/stage_chain.hpp"
#include "plan/fused/training.hpp"

namespace convmixer {

std::unique_ptr<Execution> make_fused_execution(const Graph& graph, Parameters& parameters, Engine& engine,
                                                const ExecutionOptions& options, const Execution* lender,
                                                std::string& why_not) {
  if (options.layout != LayoutPolicy::automatic) why_not = "fused stages have a layout of their own";
  if (options.input_gradient) why_not = "fused stages give no gradient of the images";
  if (!why_not.empty()) return nullptr;
  const std::optional<StageChain> chain = find_stage_chain(graph, &why_not, options.mode);
  if (!chain) return nullptr;
  if (options.mode == PlanMode::inference) return fused::make_inference(*chain, parameters, engine, options, lender);
  if (options.batch_size * static_cast<std::int64_t>(chain->height * chain->width) < 2) {
    why_not = "a batch norm would see a single value per channel";  // plain refuses it
    return nullptr;
  }
  return fused::make_training(*chain, parameters, engine, options, lender);
}

}  // namespace convmixer

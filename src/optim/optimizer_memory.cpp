#include "convmixer/optim/optimizer_memory.hpp"

#include "optim/muon_optimizer.hpp"

namespace convmixer {

std::size_t optimizer_working_bytes(const Graph& graph, const OptimizerOptions& options, int threads) {
  if (options.kind != OptimizerKind::muon) return 0;
  return muon_working_bytes(graph, hidden_matrices(graph), options.muon.precision, threads);
}

}  // namespace convmixer

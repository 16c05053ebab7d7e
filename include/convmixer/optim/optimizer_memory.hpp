/// Memory that optimisers work in, beyond their state.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/optim/make_optimizer.hpp"

#include <cstddef>

namespace convmixer {

/// Bytes that an optimiser of these options has besides its state, for a pool of so many threads: of Muon the matrices
/// that are made orthogonal, as many at a time as there are threads; 0 of the others.
[[nodiscard]] std::size_t optimizer_working_bytes(const Graph& graph, const OptimizerOptions& options, int threads);

}  // namespace convmixer

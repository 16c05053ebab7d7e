/// Muon: matrices that are updated as wholes.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/optim/parameter_groups.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace convmixer {

/// An optimiser of a group with MuonRule that check_groups (group_checks.hpp) accepts. Results are the same bits for
/// any number of threads.
[[nodiscard]] std::unique_ptr<Optimizer> make_muon_optimizer(Parameters& parameters, const ParameterGroup& group,
                                                             ThreadPool& pool);

/// Bytes that it has for so many threads besides its momentum: matrices that are being made orthogonal.
[[nodiscard]] std::size_t muon_working_bytes(const Graph& graph, const std::vector<ParameterId>& matrices,
                                             Precision precision, int threads);

}  // namespace convmixer

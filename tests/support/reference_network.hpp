/// A graph computed by plain loops in double precision: what plans are checked against.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/graph/parameters.hpp"

#include <cstdint>
#include <vector>

namespace convmixer::testing_support {

/// Weights, statistics and images of a graph in double precision.
struct ReferenceNetwork {
  /// Takes over the parameters' values and statistics as they are.
  ReferenceNetwork(const Graph& graph, const Parameters& parameters);

  /// Output for `images`, (N, C, H, W); row-major. Training normalises with the batch's statistics and, if `moved` is
  /// given, writes the moved running statistics there.
  [[nodiscard]] std::vector<double> forward(const std::vector<double>& images, std::int64_t batch, bool training,
                                            std::vector<std::vector<double>>* moved = nullptr) const;

  const Graph* graph;
  std::vector<std::vector<double>> values;      // by ParameterId
  std::vector<std::vector<double>> statistics;  // by StatisticId
};

}  // namespace convmixer::testing_support

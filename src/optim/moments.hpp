/// Optimiser state: one f32 tensor per parameter.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/optim/optimizer.hpp"

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace convmixer {

/// A running moment of every parameter's gradient, zero at first.
class Moments {
 public:
  /// No tensors.
  Moments() = default;
  /// One per parameter of the graph.
  explicit Moments(const Graph& graph);

  [[nodiscard]] std::span<float> of(ParameterId id) noexcept { return tensors_[static_cast<std::size_t>(id)]; }

  /// Appends every tensor, named PREFIX.PARAMETER.
  void list(std::string_view prefix, const Graph& graph, std::vector<OptimizerState>& out);

 private:
  std::vector<std::vector<float>> tensors_;  // by parameter
};

}  // namespace convmixer

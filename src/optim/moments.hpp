/// Optimiser state: one f32 tensor per parameter.
#pragma once

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/graph/graph.hpp"
#include "convmixer/optim/optimizer.hpp"

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace convmixer {

/// A running moment of every parameter's gradient, zero at first; in memory that its first update is the first to
/// touch.
class Moments {
 public:
  /// No tensors.
  Moments() = default;
  /// One per parameter of the graph.
  explicit Moments(const Graph& graph);

  [[nodiscard]] std::span<float> of(ParameterId id) noexcept {
    const auto& [offset, count] = tensors_[static_cast<std::size_t>(id)];
    return values_.as<float>().subspan(offset, count);
  }

  /// Appends every tensor, named PREFIX.PARAMETER.
  void list(std::string_view prefix, const Graph& graph, std::vector<OptimizerState>& out);

 private:
  /// In floats; each begins on a cache line of its own.
  struct Tensor {
    std::size_t offset;
    std::size_t count;
  };
  std::vector<Tensor> tensors_;  // by parameter
  AlignedBuffer values_;
};

}  // namespace convmixer

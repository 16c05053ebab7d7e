/// Optimiser state: an f32 tensor for each of some parameters.
#pragma once

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/graph/graph.hpp"
#include "convmixer/optim/optimizer.hpp"

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace convmixer {

/// A running moment of some parameters' gradients, zero at first; in memory that its first update is the first to
/// touch.
class Moments {
 public:
  /// A tensor for each parameter of the graph that is among `ids`.
  Moments(const Graph& graph, std::span<const ParameterId> ids);

  /// Of one of `ids`.
  [[nodiscard]] std::span<float> of(ParameterId id) noexcept {
    const auto& [offset, count] = tensors_[static_cast<std::size_t>(id)];
    return values_.as<float>().subspan(offset, count);
  }

  /// Appends every tensor, named PREFIX.PARAMETER.
  void list(std::string_view prefix, const Graph& graph, std::vector<OptimizerState>& out);

 private:
  /// In floats; each begins on a cache line of its own.
  struct Tensor {
    std::size_t offset = 0;
    std::size_t count = 0;
  };
  std::vector<Tensor> tensors_;  // by parameter; without values for those that aren't among `ids`
  AlignedBuffer values_;
};

}  // namespace convmixer

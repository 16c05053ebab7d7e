/// Multiply-adds of a network, split by the arithmetic unit that could do them.
#pragma once

#include "convmixer/graph/graph.hpp"

#include <cstdint>

namespace convmixer {

/// Multiply-adds of one image (2 FLOP each). Norms, GELUs and sums are left out.
struct Work {
  std::int64_t matrix = 0;     ///< other convolutions, linear layers, attention: products of matrices
  std::int64_t depthwise = 0;  ///< no channel meets another: no product of matrices
  [[nodiscard]] std::int64_t total() const noexcept { return matrix + depthwise; }
};

/// A forward pass.
[[nodiscard]] Work inference_work(const Graph& graph);

/// A training step: forward, the gradient of the data and that of the weights, which take as many each; the images need
/// no gradient, nor do frozen weights, and what comes before the first that is trained.
[[nodiscard]] Work training_work(const Graph& graph);

}  // namespace convmixer

/// A graph computed by plain loops in double precision: what plans are checked against.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/plan/dropout_draws.hpp"

#include <cstdint>
#include <vector>

namespace convmixer::testing_support {

/// (N, C, H, W) addressing; H = W = 1 for (N, C), and (N, T, D) is (N, T, D, 1).
struct Extents {
  std::int64_t n, c, h, w;
  int rank = 3;  // of the image

  [[nodiscard]] std::size_t at(std::int64_t in, std::int64_t ic, std::int64_t ih, std::int64_t iw) const {
    return static_cast<std::size_t>(((in * c + ic) * h + ih) * w + iw);
  }
  [[nodiscard]] std::size_t count() const { return static_cast<std::size_t>(n * c * h * w); }
};
[[nodiscard]] inline Extents extents(const Shape& image, std::int64_t batch) {
  const auto extent = [&](int axis) { return axis < image.rank() ? image[axis] : 1; };
  return {batch, extent(0), extent(1), extent(2), image.rank()};
}

/// Weights, statistics and images of a graph in double precision.
struct ReferenceNetwork {
  /// Takes over the parameters' values and statistics as they are.
  ReferenceNetwork(const Graph& graph, const Parameters& parameters);

  /// Output for `images`, (N, C, H, W); row-major. Training normalises with the batch's statistics and, if `moved` is
  /// given, writes the moved running statistics there.
  [[nodiscard]] std::vector<double> forward(const std::vector<double>& images, std::int64_t batch, bool training,
                                            std::vector<std::vector<double>>* moved = nullptr) const;

  /// The same, with every tensor on the way, by TensorId.
  [[nodiscard]] std::vector<std::vector<double>> tensors(const std::vector<double>& images, std::int64_t batch,
                                                         bool training,
                                                         std::vector<std::vector<double>>* moved = nullptr) const;

  const Graph* graph;
  std::vector<std::vector<double>> values;      // by ParameterId
  std::vector<std::vector<double>> statistics;  // by StatisticId
  DropoutDraws draws{};                         // what training drops
};

}  // namespace convmixer::testing_support

/// The values of a graph's parameters: weights, gradients and running statistics in f32.
#pragma once

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/graph/graph.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

/// Weights, gradients and running statistics of one graph, plain row-major f32, each kind in one block. All accessors
/// return the tensor's shape.count() numbers, and throw Error (usage) for an id that the graph doesn't have.
class Parameters {
 public:
  /// Weights and gradients zero, statistics at their initial values. `graph` must outlive the object.
  explicit Parameters(const Graph& graph);

  [[nodiscard]] const Graph& graph() const noexcept { return *graph_; }

  [[nodiscard]] std::span<float> value(ParameterId id) { return slice(values_, id); }
  [[nodiscard]] std::span<float> gradient(ParameterId id) { return slice(gradients_, id); }
  [[nodiscard]] std::span<float> statistic(StatisticId id);
  /// All of them, in order, and zeros between them.
  [[nodiscard]] std::span<float> statistics() noexcept { return statistics_.as<float>(); }
  [[nodiscard]] std::span<const float> value(ParameterId id) const;
  [[nodiscard]] std::span<const float> gradient(ParameterId id) const;
  [[nodiscard]] std::span<const float> statistic(StatisticId id) const;

  /// Weights as torch.nn initialises Conv2d, Linear and BatchNorm2d: weights and biases of convolutions and
  /// linear layers from U(-1/sqrt(fan_in), 1/sqrt(fan_in)) (kaiming_uniform with a = sqrt(5), and the same bound
  /// for the bias), norm scales 1, shifts 0, embeddings from a standard normal distribution, but for those with an
  /// Initialisation of their own; statistics at their initial values. A pure function of the seed.
  void initialise(std::uint64_t seed);

 private:
  std::span<float> slice(AlignedBuffer& block, ParameterId id);

  const Graph* graph_;
  std::vector<std::size_t> offsets_;            // of parameters, in floats, each on a 64-byte boundary
  std::vector<std::size_t> statistic_offsets_;  // likewise
  AlignedBuffer values_;
  AlignedBuffer gradients_;
  AlignedBuffer statistics_;
};

}  // namespace convmixer

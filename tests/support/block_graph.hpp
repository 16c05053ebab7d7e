/// A whole ConvMixer of one mixer block, made operation by operation, for tests of what is below the models.
#pragma once

#include "convmixer/graph/graph.hpp"

namespace convmixer::testing_support {

/// (3, size, size) to 5 classes, by patches of 2 x 2.
inline Graph block_graph(int channels, int size, int kernel) {
  Graph graph(3, size, size);
  TensorId x = graph.convolution("stem", graph.input(), channels, 2, 2, 1, 0, 0);
  x = graph.batch_norm("stem.norm", graph.gelu("stem.gelu", x));
  TensorId y = graph.convolution_same("depthwise", x, channels, kernel, channels);
  y = graph.batch_norm("depthwise.norm", graph.gelu("depthwise.gelu", y));
  x = graph.convolution_same("pointwise", graph.add("add", y, x), channels, 1, 1);
  x = graph.batch_norm("pointwise.norm", graph.gelu("pointwise.gelu", x));
  graph.linear("head", graph.global_average_pool("pool", x), 5);
  return graph;
}

}  // namespace convmixer::testing_support

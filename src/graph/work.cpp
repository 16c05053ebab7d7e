#include "convmixer/graph/work.hpp"

#include <algorithm>
#include <cstddef>
#include <variant>

namespace convmixer {

namespace {

bool is_depthwise(const Graph& graph, const Node& node) {
  const auto* convolution = std::get_if<Convolution>(&node.operation);
  const std::int64_t channels = graph.tensors()[static_cast<std::size_t>(node.inputs.front())][0];
  return convolution != nullptr && convolution->groups > 1 && convolution->groups == channels;
}

/// Sum over the nodes of their multiply-adds times times(node).
template <typename Times>
Work sum(const Graph& graph, const Times& times) {
  Work work;
  for (const Node& node : graph.nodes()) {
    const std::int64_t count = times(node) * multiply_adds(graph, node);
    (is_depthwise(graph, node) ? work.depthwise : work.matrix) += count;
  }
  return work;
}

}  // namespace

Work inference_work(const Graph& graph) {
  return sum(graph, [](const Node& /*node*/) { return 1; });
}

Work training_work(const Graph& graph) {
  const std::size_t first_trained = first_trained_node(graph);
  return sum(graph, [&](const Node& node) {
    const bool trains = std::ranges::any_of(
        parameters_of(node), [&](ParameterId id) { return !graph.parameters()[static_cast<std::size_t>(id)].frozen; });
    const bool hands_back =
        node.inputs.front() != graph.input() && static_cast<std::size_t>(node.output) > first_trained + 1;
    // Both factors of attention's products are data: a gradient for each.
    const bool multiplies_data = std::holds_alternative<Attention>(node.operation);
    return 1 + int{trains} + int{hands_back} * (multiplies_data ? 2 : 1);
  });
}

}  // namespace convmixer

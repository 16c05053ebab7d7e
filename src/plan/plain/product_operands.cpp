#include "plan/plain/product_operands.hpp"

#include <algorithm>
#include <variant>

namespace convmixer {

using kernels::ElementType;

namespace {

int rank_of(const Graph& graph, TensorId tensor) { return graph.tensors()[static_cast<std::size_t>(tensor)].rank(); }

bool only_moves(const Node& node) {
  return std::holds_alternative<Transpose>(node.operation) || std::holds_alternative<ToTokens>(node.operation);
}

bool is_product(const Graph& graph, const Node& node) {
  if (std::holds_alternative<Convolution>(node.operation) || std::holds_alternative<Attention>(node.operation)) {
    return true;
  }
  return std::holds_alternative<Linear>(node.operation) && rank_of(graph, node.inputs.front()) > 1;
}

bool is_read_by_products(const Graph& graph, TensorId tensor) {
  bool is_read = false;
  for (const Node& node : graph.nodes()) {
    if (std::ranges::find(node.inputs, tensor) == node.inputs.end()) continue;
    is_read = is_product(graph, node) || (only_moves(node) && is_read_by_products(graph, node.output));
    if (!is_read) return false;
  }
  return is_read;
}

/// Whether the node that puts a tensor out multiplies by its gradient.
bool comes_from_product(const Graph& graph, TensorId tensor) {
  if (tensor == graph.input()) return false;
  const Node& node = graph.nodes()[static_cast<std::size_t>(tensor) - 1];
  return is_product(graph, node) || (only_moves(node) && comes_from_product(graph, node.inputs.front()));
}

}  // namespace

bool has_tokens(const Builder& builder, TensorId tensor) { return rank_of(builder.graph(), tensor) == 2; }

ElementType token_type(const Builder& builder, TensorId tensor) {
  return is_read_by_products(builder.graph(), tensor) ? builder.type() : ElementType::f32;
}

ElementType gradient_type(const Builder& builder, TensorId tensor, BufferId given) {
  return comes_from_product(builder.graph(), tensor) ? builder.type() : builder.layout(given).type();
}

}  // namespace convmixer

#include "convmixer/optim/make_optimizer.hpp"
#include "optim/matrix_shape.hpp"

#include <algorithm>
#include <optional>

namespace convmixer {

namespace {

/// The weight of a convolution without groups or of a linear layer.
std::optional<ParameterId> dense_weight(const Node& node) {
  if (const auto* linear = std::get_if<Linear>(&node.operation)) return linear->weight;
  const auto* convolution = std::get_if<Convolution>(&node.operation);
  if (convolution != nullptr && convolution->groups == 1) return convolution->weight;
  return std::nullopt;
}

/// timm's muon.py, _is_suitable_for_muon.
bool is_matrix_enough(const MatrixShape& shape) {
  constexpr std::size_t kShortest = 4;
  constexpr std::size_t kMostAspect = 128;
  const auto [shorter, longer] = std::minmax(shape.rows, shape.columns);
  return shorter >= kShortest && longer <= kMostAspect * shorter;
}

}  // namespace

std::vector<ParameterId> hidden_matrices(const Graph& graph) {
  std::vector<ParameterId> ids;
  std::optional<ParameterId> last;
  for (const Node& node : graph.nodes()) {
    const std::optional<ParameterId> weight = dense_weight(node);
    if (!weight) continue;
    last = weight;
    const Parameter& parameter = graph.parameters()[static_cast<std::size_t>(*weight)];
    const bool reads_image = std::ranges::find(node.inputs, graph.input()) != node.inputs.end();
    if (!reads_image && !parameter.frozen && is_matrix_enough(matrix_shape(parameter.shape))) ids.push_back(*weight);
  }
  if (last) std::erase(ids, *last);
  std::ranges::sort(ids);
  return ids;
}

}  // namespace convmixer

#include "optim/moments.hpp"

#include <fmt/format.h>

namespace convmixer {

Moments::Moments(const Graph& graph) {
  tensors_.reserve(graph.parameters().size());
  for (const Parameter& parameter : graph.parameters()) {
    tensors_.emplace_back(static_cast<std::size_t>(parameter.shape.count()), 0.0F);
  }
}

void Moments::list(std::string_view prefix, const Graph& graph, std::vector<OptimizerState>& out) {
  for (std::size_t id = 0; id < tensors_.size(); ++id) {
    const Parameter& parameter = graph.parameters()[id];
    out.push_back({fmt::format("{}.{}", prefix, parameter.name), parameter.shape, tensors_[id]});
  }
}

}  // namespace convmixer

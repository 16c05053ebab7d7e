#include "optim/moments.hpp"

#include <fmt/format.h>

namespace convmixer {

Moments::Moments(const Graph& graph) {
  constexpr std::size_t kCacheLine = 16;
  std::size_t end = 0;
  for (const Parameter& parameter : graph.parameters()) {
    const auto count = static_cast<std::size_t>(parameter.shape.count());
    tensors_.push_back({end, count});
    end += (count + kCacheLine - 1) / kCacheLine * kCacheLine;
  }
  values_ = AlignedBuffer(end * sizeof(float));
}

void Moments::list(std::string_view prefix, const Graph& graph, std::vector<OptimizerState>& out) {
  for (std::size_t id = 0; id < tensors_.size(); ++id) {
    const Parameter& parameter = graph.parameters()[id];
    out.push_back({fmt::format("{}.{}", prefix, parameter.name), parameter.shape, of(static_cast<ParameterId>(id))});
  }
}

}  // namespace convmixer

#include "optim/moments.hpp"

#include <fmt/format.h>

namespace convmixer {

Moments::Moments(const Graph& graph, std::span<const ParameterId> ids) : tensors_(graph.parameters().size()) {
  for (const ParameterId id : ids) {
    const auto index = static_cast<std::size_t>(id);
    tensors_[index].count = static_cast<std::size_t>(graph.parameters()[index].shape.count());
  }
  constexpr std::size_t kCacheLine = 16;
  std::size_t end = 0;
  for (Tensor& tensor : tensors_) {
    tensor.offset = end;
    end += (tensor.count + kCacheLine - 1) / kCacheLine * kCacheLine;
  }
  if (end > 0) values_ = AlignedBuffer(end * sizeof(float));
}

void Moments::list(std::string_view prefix, const Graph& graph, std::vector<OptimizerState>& out) {
  for (std::size_t id = 0; id < tensors_.size(); ++id) {
    if (tensors_[id].count == 0) continue;
    const Parameter& parameter = graph.parameters()[id];
    out.push_back({fmt::format("{}.{}", prefix, parameter.name), parameter.shape, of(static_cast<ParameterId>(id))});
  }
}

}  // namespace convmixer

#include "optim/update_parts.hpp"

#include <algorithm>

namespace convmixer {

UpdateParts::UpdateParts(const Graph& graph, std::span<const ParameterId> ids) {
  std::size_t in_task = 0;
  const auto end_task = [&] {
    if (in_task > 0) ends_.push_back(parts_.size());
    in_task = 0;
  };
  for (const ParameterId id : ids) {
    const auto count = static_cast<std::size_t>(graph.parameters()[static_cast<std::size_t>(id)].shape.count());
    for (std::size_t begin = 0; begin < count; begin += kValues) {
      const std::size_t values = std::min(kValues, count - begin);
      parts_.push_back({id, begin, values});
      in_task += values;
      if (in_task >= kValues) end_task();
    }
  }
  end_task();
}

std::span<const UpdatePart> UpdateParts::of_task(std::size_t task) const noexcept {
  const std::size_t first = task == 0 ? 0 : ends_[task - 1];
  return std::span(parts_).subspan(first, ends_[task] - first);
}

}  // namespace convmixer

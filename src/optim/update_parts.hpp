/// How the parameters of a network are cut into the tasks of an update.
#pragma once

#include "convmixer/graph/graph.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace convmixer {

/// Values [begin, begin + count) of one parameter.
struct UpdatePart {
  ParameterId id;
  std::size_t begin;
  std::size_t count;
};

/// Some parameters in parts, in their order, and the parts in tasks of about equal work: several small parameters, or a
/// part of a large one. The cut depends on the parameters' sizes alone, so that sums over tasks in their order are the
/// same for any number of threads.
class UpdateParts {
 public:
  /// Of a part at most, and of a task at least (but the last): with Adam's four tensors, 256 KiB.
  static constexpr std::size_t kValues = 16384;

  UpdateParts(const Graph& graph, std::span<const ParameterId> ids);

  [[nodiscard]] std::size_t tasks() const noexcept { return ends_.size(); }
  [[nodiscard]] std::span<const UpdatePart> of_task(std::size_t task) const noexcept;

 private:
  std::vector<UpdatePart> parts_;
  std::vector<std::size_t> ends_;  // by task: one past its last part
};

}  // namespace convmixer

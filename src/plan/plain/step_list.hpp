/// A plan before it has memory: buffers without addresses and the steps that read and write them.
#pragma once

#include "convmixer/plan/plan_report.hpp"
#include "kernels/onednn/onednn.hpp"

#include <functional>
#include <optional>
#include <vector>

namespace convmixer {

using BufferId = int;

/// Where a buffer's memory comes from.
enum class Home {
  arena,            ///< placed by its lifetime
  fixed,            ///< a parameter, its gradient or a statistic
  images,           ///< what forward() is given
  output_gradient,  ///< what backward() is given
};

struct Buffer {
  kernels::Layout layout;
  Home home = Home::arena;
  void* fixed = nullptr;     ///< Home::fixed
  bool kept_to_end = false;  ///< read by the caller after the last step
  BufferId view_of = -1;     ///< >= 0: the same bytes as that buffer, under another shape
};

/// A buffer's part in a step.
struct Operand {
  kernels::Role role;  ///< own kernels use `dst` for what they write, `src` for what they read
  BufferId buffer;
};

/// What an own kernel does, given the addresses of its operands in their order.
using HandWrittenKernel = std::function<void(const std::vector<void*>& operands)>;

struct Step {
  PlannedStep report;
  kernels::Primitive primitive;  ///< or, empty:
  HandWrittenKernel own;
  std::vector<Operand> operands;
  bool moves_statistics = false;  ///< skipped when the running statistics are to stay
  /// The destination may take this buffer's memory if nothing reads it later.
  std::optional<BufferId> may_overwrite;
};

/// The whole plan of one graph: forward steps, then backward steps.
struct StepList {
  std::vector<Buffer> buffers;
  std::vector<Step> steps;
  std::size_t forward_steps = 0;
  BufferId output = -1;
  std::optional<BufferId> input_gradient;
};

}  // namespace convmixer

/// A plain plan before it has memory: buffers without addresses, and the steps that read and write them.
#pragma once

#include "convmixer/plan/dropout_draws.hpp"
#include "convmixer/plan/plan_report.hpp"
#include "kernels/onednn/onednn.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

namespace convmixer {

/// The place of a buffer in StepList::buffers.
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
  bool working = false;      ///< holds whatever a kernel needs for itself while it runs
  BufferId view_of = -1;     ///< >= 0: the same bytes as that buffer, under another shape
};

/// A primitive of oneDNN and what its arguments are.
struct PrimitiveStep {
  struct Operand {
    kernels::Role role;
    BufferId buffer;
  };
  kernels::Primitive primitive;
  std::vector<Operand> operands;
};

/// A hand-written kernel and its arguments: see KernelOperands, which makes it.
struct KernelStep {
  struct Operand {
    BufferId buffer;
    std::function<void(void* address)> point;  ///< points the kernel's argument at the buffer
  };
  std::function<void()> run;
  std::vector<Operand> operands;
};

/// Two buffers of a step that may be one: `result` takes the memory of `operand` if nothing reads that later.
struct Overwrite {
  BufferId operand;
  BufferId result;
};

struct Step {
  PlannedStep report;
  std::variant<PrimitiveStep, KernelStep> work;
  std::optional<Overwrite> may_overwrite;
  bool moves_statistics = false;  ///< skipped when the running statistics are to stay
};

/// The buffers that a step reads or writes.
[[nodiscard]] std::vector<BufferId> buffers_of(const Step& step);

/// The whole plan of one graph: forward steps, then backward steps.
struct StepList {
  std::vector<Buffer> buffers;
  std::vector<Step> steps;
  std::size_t forward_steps = 0;
  BufferId output = -1;
  std::optional<BufferId> input_gradient;
  std::shared_ptr<DropoutDraws> dropout_draws = std::make_shared<DropoutDraws>();  ///< what its kernels read

  [[nodiscard]] Buffer& buffer(BufferId id) { return buffers[static_cast<std::size_t>(id)]; }
  [[nodiscard]] const Buffer& buffer(BufferId id) const { return buffers[static_cast<std::size_t>(id)]; }
};

}  // namespace convmixer

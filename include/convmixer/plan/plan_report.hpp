/// What a plan tells about itself: its steps, its memory, and when each step runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace convmixer {

/// One step of a plan: a primitive or hand-written kernel of a plain plan, a primitive of an onednn one, a stage of a
/// fused one.
struct PlannedStep {
  std::string node;            ///< "blocks.3.0.fn.0"
  std::string operation;       ///< "depthwise convolution", "batch norm", "reorder", ...
  std::string direction;       ///< "forward", "backward data", "backward weights", "backward"
  std::string implementation;  ///< oneDNN's name for it ("jit:avx512_core"), "hand-written" for kernels of this library
  std::string layout;          ///< of its main operand: "nhwc"
};

/// What a plan's memory is for, in bytes.
struct PlannedMemory {
  std::int64_t arena = 0;       ///< activations, their gradients and converted weights: shared over their lifetimes
  std::int64_t unshared = 0;    ///< the same if nothing were shared
  std::int64_t scratchpad = 0;  ///< working memory of the primitives, used by one at a time
  [[nodiscard]] std::int64_t total() const noexcept { return arena + scratchpad; }
};

/// Is told when a plan's steps begin and end, on the thread that executes the plan: profilers.
class PlanObserver {
 public:
  virtual ~PlanObserver() = default;
  /// `step` counts as Plan::steps() does.
  virtual void begin(std::size_t step) = 0;
  virtual void end(std::size_t step) = 0;
};

}  // namespace convmixer

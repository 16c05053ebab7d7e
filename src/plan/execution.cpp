#include "plan/execution.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>

namespace convmixer {

Execution::~Execution() {
  if (block_ != nullptr && keeps_forward()) drop_forward();
}

void Execution::add_report(PlannedStep step, std::vector<ParameterId> gradients) {
  final_gradients.push_back(std::move(gradients));
  // "blocks.3.0.fn.0 depthwise convolution backward weights", of operation "depthwise convolution backward weights".
  const std::string operation =
      fmt::format("{} {}", step.operation, options.mode == PlanMode::inference ? "inference" : step.direction);
  trace_names_.emplace_back(fmt::format("{} {}", step.node, operation), operation);
  reports.push_back(std::move(step));
}

void Execution::take_memory(const Execution* lender) {
  const auto arena_bytes = static_cast<std::size_t>(memory.arena);
  const auto scratchpad_bytes = static_cast<std::size_t>(memory.scratchpad);
  owns_memory = lender == nullptr || lender->block_->arena.size() < arena_bytes ||
                lender->block_->scratchpad.size() < scratchpad_bytes;
  if (!owns_memory) {
    block_ = lender->block_;
    return;
  }
  block_ = std::make_shared<Block>();
  block_->arena = AlignedBuffer(arena_bytes);
  block_->scratchpad = AlignedBuffer(scratchpad_bytes);
}

}  // namespace convmixer

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

void Execution::add_sums(GradientExchange& exchange, Parameters& parameters) const {
  for (std::size_t step = 0; step < final_gradients.size(); ++step) {
    for (const ParameterId id : final_gradients[step]) {
      if (!parameters.graph().parameters()[static_cast<std::size_t>(id)].frozen)
        exchange.add(step, parameters.gradient(id));
    }
  }
}

void Execution::sum_over_ranks(Parameters& parameters, Communicator& ranks) {
  exchange_ = std::make_unique<GradientExchange>(ranks, options.exchange);
  add_sums(*exchange_, parameters);
  std::vector<ParameterId> gradients;
  for (std::vector<ParameterId>& of_step : final_gradients) {
    gradients.insert(gradients.end(), of_step.begin(), of_step.end());
    of_step.clear();
  }
  add_report({"gradients", "sum over ranks", "backward", "hand-written", "plain"}, std::move(gradients));
}

void Execution::backward_of_ranks(std::span<const float> output_gradient) {
  if (exchange_ == nullptr) return backward(output_gradient);
  exchange_->begin();
  try {
    backward(output_gradient);
    begin_steps(reports.size() - 1);
    next_step([&] { exchange_->finish(); });
  } catch (...) {
    exchange_->give_up();  // the sums are of this plan's memory, which may be gone with whoever catches this
    throw;
  }
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

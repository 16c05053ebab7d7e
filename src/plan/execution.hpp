/// What is behind a Plan: one way to run a graph.
#pragma once

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/trace.hpp"
#include "convmixer/plan/plan.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {

/// See Plan for what the functions do. Memory is one arena and one scratchpad, its own or those of another execution
/// that takes turns with it.
class Execution {
 public:
  explicit Execution(const PlanOptions& plan_options) : options(plan_options) {}
  virtual ~Execution() = default;
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  virtual std::span<const float> forward(std::span<const float> images, bool update_statistics) = 0;
  virtual void backward(std::span<const float> output_gradient) = 0;

  PlanOptions options;
  PlannedMemory memory;
  bool owns_memory = true;
  std::vector<PlannedStep> reports;    ///< by step
  std::vector<TraceName> trace_names;  ///< by step
  /// By step, of fused plans: the parameters whose gradients are final once it has ended.
  std::vector<std::vector<ParameterId>> final_gradients;
  PlanObserver* observer = nullptr;
  std::span<float> output;
  std::span<float> input_gradient;  ///< empty unless asked for

 protected:
  /// Adds a step to the reports; `gradients`: what it makes final.
  void add_report(PlannedStep step, std::vector<ParameterId> gradients = {}) {
    final_gradients.push_back(std::move(gradients));
    // "blocks.3.0.fn.0 depthwise convolution backward weights", of operation "depthwise convolution backward weights".
    const std::string operation =
        fmt::format("{} {}", step.operation, options.mode == PlanMode::inference ? "inference" : step.direction);
    trace_names.emplace_back(fmt::format("{} {}", step.node, operation), operation);
    reports.push_back(std::move(step));
  }

  /// Runs body(), which is step `index`, under the eyes of the observer and the tracer.
  template <typename Body>
  void run_step(std::size_t index, const Body& body) {
    if (observer != nullptr) observer->begin(index);
    {
      const TraceScope scope(trace_names[index]);
      body();
    }
    if (observer != nullptr) observer->end(index);
  }

  /// run_step() of the step that is next: first of the one that begin_steps() said.
  void begin_steps(std::size_t first) { current_step = first; }
  template <typename Body>
  void next_step(const Body& body) {
    run_step(current_step, body);
    ++current_step;
  }

  /// Gets `memory.arena` and `memory.scratchpad` bytes: the lender's if it has as many.
  void take_memory(const Execution* lender) {
    const auto arena_bytes = static_cast<std::size_t>(memory.arena);
    const auto scratchpad_bytes = static_cast<std::size_t>(memory.scratchpad);
    owns_memory =
        lender == nullptr || lender->arena->size() < arena_bytes || lender->scratchpad->size() < scratchpad_bytes;
    arena = owns_memory ? std::make_shared<AlignedBuffer>(arena_bytes) : lender->arena;
    scratchpad = owns_memory ? std::make_shared<AlignedBuffer>(scratchpad_bytes) : lender->scratchpad;
  }

  std::size_t current_step = 0;
  std::shared_ptr<AlignedBuffer> arena;
  std::shared_ptr<AlignedBuffer> scratchpad;
};

}  // namespace convmixer

/// One way to run a graph: what a Plan hands its calls on to.
#pragma once

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/trace.hpp"
#include "convmixer/plan/dropout_draws.hpp"
#include "convmixer/plan/plan_report.hpp"
#include "plan/execution_options.hpp"
#include "plan/gradient_exchange.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace convmixer {

/// Plain or fused. A derived class says in its constructor which steps it has (add_report, in the order of execution),
/// what memory they need (`memory`, take_memory) and where the results will be (`output`, `input_gradient`); its
/// forward() and backward() then run the steps (begin_steps, next_step).
class Execution {
 public:
  explicit Execution(const ExecutionOptions& chosen) : options(chosen) {}
  virtual ~Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  /// As Plan's, which checks what it is given.
  virtual std::span<const float> forward(std::span<const float> images, bool update_statistics) = 0;
  virtual void backward(std::span<const float> output_gradient) = 0;
  /// Where ranks share the batch: backward then leaves the gradients of all of them. The last step, which is added
  /// here, makes them final. Once, before the first backward.
  void sum_over_ranks(Parameters& parameters, Communicator& ranks);
  /// backward(), and that last step.
  void backward_of_ranks(std::span<const float> output_gradient);
  /// Fused stages drop nothing.
  virtual void set_dropout_draws(const DropoutDraws& /*draws*/) {}

  /// What forward keeps for backward is in memory that other executions may use in their turn. Plan calls drop_forward
  /// before and keep_forward after each forward; keeps_forward says whether nobody has used the memory since.
  void drop_forward() noexcept { block_->kept_by = nullptr; }
  void keep_forward() noexcept { block_->kept_by = this; }
  [[nodiscard]] bool keeps_forward() const noexcept { return block_->kept_by == this; }

  const ExecutionOptions options;
  PlannedMemory memory;              ///< what it needs, whether it is its own or lent
  bool owns_memory = true;           ///< false: it runs in the lender's
  std::vector<PlannedStep> reports;  ///< by step
  /// By step: the parameters whose gradients are final once it has ended.
  std::vector<std::vector<ParameterId>> final_gradients;
  PlanObserver* observer = nullptr;  ///< told of each step, unless it is null
  std::span<float> output;
  std::span<float> input_gradient;  ///< empty unless asked for

 protected:
  /// Tells which gradients ranks add up, and after which step: all in final_gradients but frozen parameters'.
  virtual void add_sums(GradientExchange& exchange, Parameters& parameters) const;

  /// Says what the next step is called in reports and traces, and which gradients it makes final. Forward's steps come
  /// first, then backward's.
  void add_report(PlannedStep step, std::vector<ParameterId> gradients = {});

  /// The next next_step() runs step `first`: 0 in forward, the number of forward's steps in backward.
  void begin_steps(std::size_t first) noexcept { next_ = first; }
  /// Of the next step that next_step() runs.
  [[nodiscard]] std::size_t next_index() const noexcept { return next_; }
  /// Runs body() as the step after the last one, and tells the observer and the tracer of it.
  template <typename Body>
  void next_step(const Body& body) {
    const std::size_t index = next_;
    if (observer != nullptr) observer->begin(index);
    {
      const TraceScope scope(trace_names_[index]);
      body();
    }
    if (exchange_ != nullptr) exchange_->step_ended(index);
    if (observer != nullptr) observer->end(index);
    ++next_;
  }
  /// Within a step's body, on any thread: the step's name, for the spans of its tasks.
  [[nodiscard]] TraceName step_name() const noexcept { return trace_names_[next_]; }

  /// Gets `memory.arena` and `memory.scratchpad` bytes: the lender's if it has as many, else fresh ones, zero.
  void take_memory(const Execution* lender);
  [[nodiscard]] std::byte* arena() const noexcept { return block_->arena.data(); }
  [[nodiscard]] std::byte* scratchpad() const noexcept { return block_->scratchpad.data(); }

 private:
  /// Of executions that take turns.
  struct Block {
    AlignedBuffer arena;
    AlignedBuffer scratchpad;
    const Execution* kept_by = nullptr;  ///< whose forward was the last, and has its values here
  };

  std::vector<TraceName> trace_names_;  // by step
  std::size_t next_ = 0;                // step; in a step's body, that one
  std::shared_ptr<Block> block_;
  std::unique_ptr<GradientExchange> exchange_;  // where ranks share the batch
};

}  // namespace convmixer

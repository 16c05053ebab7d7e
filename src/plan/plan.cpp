#include "convmixer/plan/plan.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/trace.hpp"
#include "plan/execution.hpp"
#include "plan/fused_execution.hpp"
#include "plan/plain_execution.hpp"

#include <cassert>
#include <utility>

namespace convmixer {

struct Plan::Impl {
  std::unique_ptr<Execution> execution;
  std::size_t image_count;
};

namespace {

std::unique_ptr<Execution> make_execution(const Graph& graph, Parameters& parameters, Engine& engine,
                                          const PlanOptions& options, const Execution* lender) {
  if (options.batch_size < 1) fail_usage("batch-size = {}: expected at least 1", options.batch_size);
  if (options.schedule != PlanSchedule::plain) {
    auto fused = make_fused_execution(graph, parameters, engine, options, lender);
    if (fused != nullptr) return fused;
    if (options.schedule == PlanSchedule::fused) {
      fail_usage(
          "plan = fused: this network or its layout, precision or batch has no fused plan; expected automatic or "
          "plain");
    }
  }
  return make_plain_execution(graph, parameters, engine, options, lender);
}

}  // namespace

Plan::Plan(const Graph& graph, Parameters& parameters, Engine& engine, const PlanOptions& options, const Plan* lender)
    : impl_(std::make_unique<Impl>(Impl{make_execution(graph, parameters, engine, options,
                                                       lender == nullptr ? nullptr : lender->impl_->execution.get()),
                                        static_cast<std::size_t>(options.batch_size * graph.tensors()[0].count())})) {}

Plan::~Plan() = default;
Plan::Plan(Plan&&) noexcept = default;
Plan& Plan::operator=(Plan&&) noexcept = default;

const PlanOptions& Plan::options() const noexcept { return impl_->execution->options; }

std::span<const float> Plan::forward(std::span<const float> images, bool update_statistics) {
  assert(images.size() == impl_->image_count);
  static const TraceName kForward("forward");
  static const TraceName kInference("inference");
  const TraceScope scope(options().mode == PlanMode::training ? kForward : kInference);
  return impl_->execution->forward(images, update_statistics);
}

void Plan::backward(std::span<const float> output_gradient) {
  assert(options().mode == PlanMode::training && output_gradient.size() == impl_->execution->output.size());
  static const TraceName kBackward("backward");
  const TraceScope scope(kBackward);
  impl_->execution->backward(output_gradient);
}

std::span<const float> Plan::input_gradient() const { return impl_->execution->input_gradient; }

PlannedMemory Plan::memory() const { return impl_->execution->memory; }

bool Plan::owns_memory() const noexcept { return impl_->execution->owns_memory; }

std::vector<PlannedStep> Plan::steps() const { return impl_->execution->reports; }

void Plan::set_observer(PlanObserver* observer) noexcept { impl_->execution->observer = observer; }

}  // namespace convmixer

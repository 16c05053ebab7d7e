#include "convmixer/plan/plan.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/trace.hpp"
#include "plan/execution.hpp"
#include "plan/fused/execution_factory.hpp"
#include "plan/plain/plain_execution.hpp"

#include <cassert>
#include <utility>

namespace convmixer {

struct Plan::Impl {
  std::unique_ptr<Execution> execution;
  std::size_t image_count = 0;
  PlanKind kind = PlanKind::plain;
  std::string why_plain;

  Impl(const Graph& graph, Parameters& parameters, Engine& engine, const PlanOptions& options, const Execution* lender)
      : image_count(static_cast<std::size_t>(options.batch_size * graph.tensors()[0].count())) {
    if (options.batch_size < 1) fail_usage("batch-size = {}: expected at least 1", options.batch_size);
    check_kind_and_layout(options.kind, options.layout);
    if (options.kind != PlanKind::plain) {
      execution = make_fused_execution(graph, parameters, engine, options, lender, why_plain);
    }
    if (execution != nullptr) {
      kind = PlanKind::fused;
      return;
    }
    if (options.kind == PlanKind::fused) {
      fail("plan = fused: {}; expected plan = automatic or plain", why_plain);
    }
    execution = make_plain_execution(graph, parameters, engine, options, lender);
  }
};

std::string to_string(PlanKind kind) {
  switch (kind) {
    case PlanKind::plain:
      return "plain";
    case PlanKind::fused:
      return "fused";
    case PlanKind::automatic:
      break;
  }
  return "automatic";
}

void check_kind_and_layout(PlanKind kind, LayoutPolicy layout) {
  if (kind != PlanKind::fused || layout == LayoutPolicy::automatic) return;
  fail_usage(
      "plan = fused: fused stages have a layout of their own, found another one asked for; expected layout = "
      "automatic, "
      "or plan = automatic or plain");
}

Plan::Plan(const Graph& graph, Parameters& parameters, Engine& engine, const PlanOptions& options, const Plan* lender)
    : impl_(std::make_unique<Impl>(graph, parameters, engine, options,
                                   lender == nullptr ? nullptr : lender->impl_->execution.get())) {}

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

PlanKind Plan::kind() const noexcept { return impl_->kind; }

const std::string& Plan::why_plain() const noexcept { return impl_->why_plain; }

std::vector<PlannedStep> Plan::steps() const { return impl_->execution->reports; }

void Plan::set_observer(PlanObserver* observer) noexcept { impl_->execution->observer = observer; }

}  // namespace convmixer

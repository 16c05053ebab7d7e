#include "convmixer/plan/plan.hpp"

#include "convmixer/core/cpu.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/trace.hpp"
#include "core/batch_chunks.hpp"
#include "plan/execution.hpp"
#include "plan/fused/execution_factory.hpp"
#include "plan/fused/stage_chain.hpp"
#include "plan/plain/execution.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

namespace convmixer {

namespace {

/// "stem.0.weight (256, 3, 2, 2)", or that there is no parameter of this number.
std::string describe_parameter(const Graph& graph, std::size_t id) {
  if (id >= graph.parameters().size()) return "nothing";
  const Parameter& parameter = graph.parameters()[id];
  return fmt::format("{} {}", parameter.name, parameter.shape.to_string());
}

void check_parameters(const Graph& graph, const Graph& of_parameters) {
  if (&graph == &of_parameters) return;
  for (std::size_t id = 0; id < std::max(graph.parameters().size(), of_parameters.parameters().size()); ++id) {
    const std::string found = describe_parameter(of_parameters, id);
    const std::string expected = describe_parameter(graph, id);
    if (found != expected) fail("parameters of another graph: found {}, expected {}", found, expected);
  }
}

/// Throws Error (usage) for a batch whose tensors no computer has room for; what is smaller, memory decides.
void check_sizes(const Graph& graph, std::int64_t batch_size) {
  constexpr std::int64_t kMostImages = std::int64_t{1} << 30;  // oneDNN counts some things in 32 bits
  constexpr std::int64_t kMostValues = std::int64_t{1} << 40;
  const Shape& largest = *std::ranges::max_element(graph.tensors(), {}, &Shape::count);
  const std::int64_t most = std::min(kMostImages, kMostValues / largest.count());
  if (batch_size <= most) return;
  fail_usage("batch-size = {}: expected at most {}, with tensors of shape {} for each image", batch_size, most,
             largest.to_string());
}

void check_share(const PlanOptions& options, const Communicator& ranks) {
  const BatchChunks share(static_cast<std::size_t>(options.images_of_all_ranks), ranks.rank(), ranks.size());
  if (static_cast<std::size_t>(options.batch_size) == share.images()) return;
  fail_usage("batch-size = {} of {} on all ranks: expected {}, the share of rank {} of {}", options.batch_size,
             options.images_of_all_ranks, share.images(), ranks.rank(), ranks.size());
}

/// Throws Error (usage) for a graph with batch norms that take the statistics of their batch.
void check_no_norms(const Graph& graph, const std::string& why_plain) {
  for (const Node& node : graph.nodes()) {
    const auto* const norm = std::get_if<BatchNorm>(&node.operation);
    if (norm == nullptr || norm->frozen) continue;
    fail_usage("{}: batch norms of all ranks' images need fused stages{}; expected --batch-norm local", node.name,
               why_plain.empty() ? "" : ", but " + why_plain);
  }
}

/// The kinds that run a graph which can't be fused.
std::string other_kinds(const Graph& graph, PlanMode mode) {
  const bool drops = std::ranges::any_of(graph.nodes(), [](const Node& node) {
    return std::holds_alternative<Dropout>(node.operation) || std::holds_alternative<DropPath>(node.operation);
  });
  return drops && mode == PlanMode::training ? "automatic or plain" : "automatic, plain or onednn";
}

}  // namespace

struct Plan::Impl {
  std::unique_ptr<Execution> execution;
  Shape images;  // of a batch
  PlanKind kind = PlanKind::plain;
  std::string why_plain;

  Impl(const Graph& graph, Parameters& parameters, Engine& engine, const ExecutionOptions& options,
       const Execution* lender) {
    check(options);
    if (graph.nodes().empty()) fail("a plan of a graph without operations: expected at least one");
    check_parameters(graph, parameters.graph());
    check_sizes(graph, options.batch_size);
    if (options.images_of_all_ranks != 0) check_share(options, engine.ranks());
    images = {options.batch_size, graph.tensors()[0][0], graph.tensors()[0][1], graph.tensors()[0][2]};
    if (options.kind == PlanKind::automatic || options.kind == PlanKind::fused) {
      execution = make_fused_execution(graph, parameters, engine, options, lender, why_plain);
    }
    if (execution != nullptr) {
      kind = PlanKind::fused;
    } else {
      make_plain(graph, parameters, engine, options, lender);
    }
    if (options.images_of_all_ranks > 0) execution->sum_over_ranks(parameters, engine.ranks());
  }

  /// Throws Error (usage) for a precision that fused plans alone can be computed in.
  void check_precision(const ExecutionOptions& options) const {
    if (Engine::has_instructions(options.precision)) return;
    fail_usage(
        "precision = {}: this CPU ({}) has no instructions for it that oneDNN may use (best: {}), without which fused "
        "plans alone are computed in it, but {}; expected f32 or auto",
        to_string(options.precision), cpu_info().model, Engine::onednn_info().instructions,
        why_plain.empty() ? fmt::format("plan = {}", to_string(options.kind)) : why_plain);
  }

  void make_plain(const Graph& graph, Parameters& parameters, Engine& engine, const ExecutionOptions& options,
                  const Execution* lender) {
    if (options.kind == PlanKind::fused) {
      fail_usage("plan = fused: {}; expected plan = {}", why_plain, other_kinds(graph, options.mode));
    }
    check_precision(options);
    if (options.norms_span_ranks()) check_no_norms(graph, why_plain);
    if (options.kind == PlanKind::onednn) kind = PlanKind::onednn;
    execution = make_plain_execution(graph, parameters, engine, options, lender);
  }

  void check_images(std::size_t found) const {
    if (found == static_cast<std::size_t>(images.count())) return;
    fail("forward: found {} of images, expected {}: {}", counted(found, "value"), images.count(), images.to_string());
  }

  void check_backward(std::size_t found) const {
    if (execution->options.mode != PlanMode::training) {
      fail("backward of a plan for inference: expected one for training");
    }
    if (found != execution->output.size()) {
      fail("backward: found {} of the output's gradient, expected {}, {} for each of {}", counted(found, "value"),
           execution->output.size(), execution->output.size() / static_cast<std::size_t>(images[0]),
           counted(images[0], "image"));
    }
    if (!execution->keeps_forward()) {
      fail(
          "backward: found nothing that forward keeps for it; expected a forward of this plan before each backward, "
          "and "
          "no other plan that runs in the same memory between the two");
    }
  }
};

Plan::Plan(const Graph& graph, Parameters& parameters, Engine& engine, const PlanOptions& options, const Plan* lender)
    : Plan(std::make_unique<Impl>(graph, parameters, engine, ExecutionOptions{options},
                                  lender == nullptr ? nullptr : lender->impl_->execution.get())) {}

Plan::Plan(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Plan make_plan(const Graph& graph, Parameters& parameters, Engine& engine, const ExecutionOptions& options) {
  return Plan(std::make_unique<Plan::Impl>(graph, parameters, engine, options, nullptr));
}

Plan::~Plan() = default;

bool Plan::supports(const Graph& graph, Precision precision) {
  return Engine::has_instructions(precision) || (Engine::supports(precision) && find_stage_chain(graph));
}

Plan::Plan(Plan&&) noexcept = default;
Plan& Plan::operator=(Plan&&) noexcept = default;

const PlanOptions& Plan::options() const noexcept { return impl_->execution->options; }

std::span<const float> Plan::forward(std::span<const float> images, bool update_statistics) {
  impl_->check_images(images.size());
  static const TraceName kForward("forward");
  static const TraceName kInference("inference");
  Execution& execution = *impl_->execution;
  const TraceScope scope(options().mode == PlanMode::training ? kForward : kInference);
  execution.drop_forward();
  const std::span<const float> output = execution.forward(images, update_statistics);
  execution.keep_forward();
  return output;
}

void Plan::set_dropout_draws(const DropoutDraws& draws) { impl_->execution->set_dropout_draws(draws); }

void Plan::backward(std::span<const float> output_gradient) {
  impl_->check_backward(output_gradient.size());
  static const TraceName kBackward("backward");
  const TraceScope scope(kBackward);
  impl_->execution->drop_forward();  // backward's values take its memory
  impl_->execution->backward_of_ranks(output_gradient);
}

std::span<const float> Plan::input_gradient() const { return impl_->execution->input_gradient; }

PlannedMemory Plan::memory() const { return impl_->execution->memory; }

bool Plan::owns_memory() const noexcept { return impl_->execution->owns_memory; }

PlanKind Plan::kind() const noexcept { return impl_->kind; }

const std::string& Plan::why_plain() const noexcept { return impl_->why_plain; }

std::vector<PlannedStep> Plan::steps() const { return impl_->execution->reports; }

void Plan::set_observer(PlanObserver* observer) noexcept { impl_->execution->observer = observer; }

}  // namespace convmixer

#include "convmixer/optim/optimizer.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/trace.hpp"
#include "kernels/optimizer_update.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace convmixer {

Optimizer::Optimizer(Parameters& parameters, std::vector<ParameterId> ids, float clip_norm)
    : parameters_(&parameters), ids_(std::move(ids)), clip_norm_(clip_norm) {
  if (!(clip_norm >= 0.0F) || !std::isfinite(clip_norm)) {
    fail_usage("gradient clipping norm = {}: expected a number of at least 0", clip_norm);
  }
  const auto count = static_cast<ParameterId>(parameters.graph().parameters().size());
  std::ranges::sort(ids_);
  for (const ParameterId id : ids_) {
    if (id < 0 || id >= count) fail_usage("optimiser: parameter {}: the network has only {}", id, count);
  }
  if (const auto twice = std::ranges::adjacent_find(ids_); twice != ids_.end()) {
    fail_usage("optimiser: parameter {} is listed twice", *twice);
  }
}

Optimizer::~Optimizer() = default;

double Optimizer::step(float learning_rate) {
  if (!(learning_rate >= 0.0F) || !std::isfinite(learning_rate)) {
    fail_usage("learning rate = {}: expected a finite number of at least 0", learning_rate);
  }
  static const TraceName kOptimiser("optimiser");
  const TraceScope scope(kOptimiser);
  OptimizerStep step{.learning_rate = learning_rate, .gradient_scale = 1.0F, .number = steps_ + 1};
  double norm = 0.0;
  if (clip_norm_ > 0.0F) {
    norm = std::sqrt(gradient_squares());
    const double scale = static_cast<double>(clip_norm_) / (norm + 1e-6);
    // Written so that a norm that is not a number goes on to the weights, as in PyTorch, rather than vanish here.
    step.gradient_scale = scale > 1.0 ? 1.0F : static_cast<float>(scale);
  }
  check(step);
  const double squares = update(step);
  steps_ = step.number;
  return clip_norm_ > 0.0F ? norm : std::sqrt(squares);
}

void Optimizer::check(const OptimizerStep& /*step*/) const {}

void Optimizer::set_steps(std::int64_t steps) {
  if (steps < 0 || steps > kMostSteps) fail_usage("optimiser: {} updates made, expected 0 to {}", steps, kMostSteps);
  steps_ = steps;
}

StateSize Optimizer::state_size() {
  StateSize size;
  for (const OptimizerState& tensor : state()) {
    ++size.tensors;
    size.bytes += tensor.values.size_bytes();
  }
  return size;
}

double Optimizer::gradient_squares() {
  double sum = 0.0;
  for (const ParameterId id : ids_) {
    const std::span<const float> gradient = parameters_->gradient(id);
    sum += kernels::sum_of_squares(gradient.data(), gradient.size());
  }
  return sum;
}

std::vector<ParameterId> select_parameters(const Graph& graph, const std::function<bool(const Parameter&)>& wanted) {
  std::vector<ParameterId> ids;
  for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
    if (wanted(graph.parameters()[id])) ids.push_back(static_cast<ParameterId>(id));
  }
  return ids;
}

std::vector<ParameterId> all_parameters(const Graph& graph) {
  return select_parameters(graph, [](const Parameter&) { return true; });
}

std::vector<ParameterId> trained_parameters(const Graph& graph) {
  return select_parameters(graph, [](const Parameter& parameter) { return !parameter.frozen; });
}

}  // namespace convmixer

#include "convmixer/optim/optimizer.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/trace.hpp"
#include "kernels/optimizer_update.hpp"
#include "optim/adam.hpp"
#include "optim/sgd.hpp"
#include "optim/update_parts.hpp"

#include <cassert>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string_view>

namespace convmixer {

namespace {

bool is_decayed_always(ParameterRole role) { return role == ParameterRole::weight; }

void require_at_least_zero(std::string_view name, float value) {
  if (!(value >= 0.0F) || !std::isfinite(value)) fail_usage("{} = {}: expected a number of at least 0", name, value);
}

void require_fraction(std::string_view name, float value) {
  if (!(value >= 0.0F && value < 1.0F)) fail_usage("{} = {}: expected a number from 0 to below 1", name, value);
}

void validate(const OptimizerOptions& options) {
  require_at_least_zero("weight decay", options.weight_decay);
  require_at_least_zero("gradient clipping norm", options.clip_norm);
  if (options.kind == OptimizerKind::sgd) {
    require_fraction("momentum", options.momentum);
    if (options.nesterov && options.momentum == 0.0F) {
      fail_usage("nesterov: needs a momentum above 0, found momentum = 0");
    }
    return;
  }
  require_fraction("beta1", options.beta1);
  require_fraction("beta2", options.beta2);
  if (!(options.epsilon > 0.0F) || !std::isfinite(options.epsilon)) {
    fail_usage("epsilon = {}: expected a number above 0", options.epsilon);
  }
}

}  // namespace

Optimizer::Optimizer(Parameters& parameters, const OptimizerOptions& options, ThreadPool& pool)
    : parameters_(parameters),
      options_(options),
      pool_(pool),
      parts_(std::make_unique<UpdateParts>(parameters.graph())),
      sums_(parts_->tasks()) {}

Optimizer::~Optimizer() = default;

/// The sum of body(part) over all parts, task by task in their order.
template <typename Body>
double Optimizer::sum_over_parts(const Body& body) {
  static const TraceName kPart("optimiser part", "optimiser");
  pool_.for_each_task(static_cast<std::int64_t>(parts_->tasks()), [&](std::int64_t task, int /*worker*/) {
    const TraceScope scope(kPart, task);
    double sum = 0.0;
    for (const UpdatePart& part : parts_->of_task(static_cast<std::size_t>(task))) sum += body(part);
    sums_[static_cast<std::size_t>(task)] = sum;
  });
  return std::accumulate(sums_.begin(), sums_.end(), 0.0);
}

double Optimizer::step(float learning_rate) {
  assert(learning_rate >= 0.0F);
  static const TraceName kOptimiser("optimiser");
  const TraceScope scope(kOptimiser);
  ++steps_;
  const bool clips = options_.clip_norm > 0.0F;
  float gradient_scale = 1.0F;
  double norm = 0.0;
  if (clips) {
    norm = std::sqrt(sum_over_parts([this](const UpdatePart& part) {
      return kernels::sum_of_squares(parameters_.gradient(part.id).data() + part.begin, part.count);
    }));
    const double scale = static_cast<double>(options_.clip_norm) / (norm + 1e-6);
    // Written so that a norm that is not a number goes on to the weights, as in PyTorch, rather than vanish here.
    gradient_scale = scale > 1.0 ? 1.0F : static_cast<float>(scale);
  }
  begin_update(learning_rate, gradient_scale);
  const double squares = sum_over_parts([this](const UpdatePart& part) {
    const ParameterRole role = parameters_.graph().parameters()[static_cast<std::size_t>(part.id)].role;
    const bool decayed = options_.decay_norm_and_bias || is_decayed_always(role);
    return update(part, decayed ? options_.weight_decay : 0.0F);
  });
  return clips ? norm : std::sqrt(squares);
}

std::unique_ptr<Optimizer> make_optimizer(Parameters& parameters, const OptimizerOptions& options, ThreadPool& pool) {
  validate(options);
  if (options.kind == OptimizerKind::sgd) return std::make_unique<Sgd>(parameters, options, pool);
  return std::make_unique<Adam>(parameters, options, pool);
}

}  // namespace convmixer

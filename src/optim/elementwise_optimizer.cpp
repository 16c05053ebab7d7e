#include "optim/elementwise_optimizer.hpp"

#include "convmixer/core/trace.hpp"
#include "kernels/optimizer_update.hpp"

#include <numeric>
#include <utility>

namespace convmixer {

namespace {

/// The parameters of all groups for which `wanted` is true.
template <typename Wanted>
std::vector<ParameterId> parameters_of(const std::vector<ParameterGroup>& groups, const Wanted& wanted) {
  std::vector<ParameterId> ids;
  for (const ParameterGroup& group : groups) {
    if (wanted(group)) ids.insert(ids.end(), group.parameters.begin(), group.parameters.end());
  }
  return ids;
}

bool is_any(const ParameterGroup& /*group*/) { return true; }
bool is_adam(const ParameterGroup& group) { return std::holds_alternative<AdamRule>(group.rule); }
bool has_momentum(const ParameterGroup& group) {
  const auto* sgd = std::get_if<SgdRule>(&group.rule);
  return sgd != nullptr && sgd->momentum > 0.0F;
}

}  // namespace

ElementwiseOptimizer::ElementwiseOptimizer(Parameters& parameters, std::vector<ParameterGroup> groups, float clip_norm,
                                           ThreadPool& pool)
    : Optimizer(parameters, parameters_of(groups, is_any), clip_norm),
      groups_(std::move(groups)),
      group_of_(parameters.graph().parameters().size()),
      factors_(groups_.size()),
      exp_avg_(parameters.graph(), parameters_of(groups_, is_adam)),
      exp_avg_sq_(parameters.graph(), parameters_of(groups_, is_adam)),
      momentum_buffer_(parameters.graph(), parameters_of(groups_, has_momentum)),
      pool_(pool),
      parts_(parameters.graph(), parameter_ids()),
      sums_(parts_.tasks()) {
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    for (const ParameterId id : groups_[group].parameters) group_of_[static_cast<std::size_t>(id)] = group;
  }
}

std::vector<OptimizerState> ElementwiseOptimizer::state() {
  std::vector<OptimizerState> tensors;
  exp_avg_.list("exp_avg", parameters().graph(), tensors);
  exp_avg_sq_.list("exp_avg_sq", parameters().graph(), tensors);
  momentum_buffer_.list("momentum_buffer", parameters().graph(), tensors);
  return tensors;
}

/// The sum of body(part) over all parts, task by task in their order.
template <typename Body>
double ElementwiseOptimizer::sum_over_parts(const Body& body) {
  static const TraceName kPart("optimiser part", "optimiser");
  pool_.for_each_task(static_cast<std::int64_t>(parts_.tasks()), [&](std::int64_t task, int /*worker*/) {
    const TraceScope scope(kPart, task);
    double sum = 0.0;
    for (const UpdatePart& part : parts_.of_task(static_cast<std::size_t>(task))) sum += body(part);
    sums_[static_cast<std::size_t>(task)] = sum;
  });
  return std::accumulate(sums_.begin(), sums_.end(), 0.0);
}

double ElementwiseOptimizer::update(const OptimizerStep& step) {
  for (std::size_t group = 0; group < groups_.size(); ++group) factors_[group] = update_factors(groups_[group], step);
  return sum_over_parts([this](const UpdatePart& part) { return update_part(part); });
}

void ElementwiseOptimizer::check(const OptimizerStep& step) const {
  for (const ParameterGroup& group : groups_) (void)learning_rate_of(group, step);
}

double ElementwiseOptimizer::gradient_squares() {
  return sum_over_parts([this](const UpdatePart& part) {
    return kernels::sum_of_squares(parameters().gradient(part.id).data() + part.begin, part.count);
  });
}

double ElementwiseOptimizer::update_part(const UpdatePart& part) {
  float* const values = parameters().value(part.id).data() + part.begin;
  const float* const gradients = parameters().gradient(part.id).data() + part.begin;
  const UpdateFactors& factors = factors_[group_of_[static_cast<std::size_t>(part.id)]];
  if (const auto* adam = std::get_if<kernels::AdamFactors>(&factors)) {
    return kernels::adam_update({.values = values,
                                 .gradients = gradients,
                                 .exp_avg = exp_avg_.of(part.id).data() + part.begin,
                                 .exp_avg_sq = exp_avg_sq_.of(part.id).data() + part.begin,
                                 .count = part.count,
                                 .factors = *adam});
  }
  const auto& sgd = std::get<kernels::SgdFactors>(factors);
  return kernels::sgd_update(
      {.values = values,
       .gradients = gradients,
       .momentum_buffer = sgd.momentum > 0.0F ? momentum_buffer_.of(part.id).data() + part.begin : nullptr,
       .count = part.count,
       .factors = sgd});
}

}  // namespace convmixer

#include "optim/group_checks.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/plan/engine.hpp"

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace convmixer {

namespace {

constexpr int kMostNewtonSchulzSteps = 100;  // torch.optim.Muon's limit

/// Checks for messages that begin alike.
struct Checks {
  std::string_view prefix;

  void at_least_zero(std::string_view name, float value) const {
    if (!(value >= 0.0F) || !std::isfinite(value)) {
      fail_usage("{}{} = {}: expected a number of at least 0", prefix, name, value);
    }
  }
  void above_zero(std::string_view name, float value) const {
    if (!(value > 0.0F) || !std::isfinite(value)) {
      fail_usage("{}{} = {}: expected a number above 0", prefix, name, value);
    }
  }
  void fraction(std::string_view name, float value) const {
    if (!(value >= 0.0F && value < 1.0F)) {
      fail_usage("{}{} = {}: expected a number from 0 to below 1", prefix, name, value);
    }
  }

  void operator()(const AdamRule& rule) const {
    fraction("beta1", rule.beta1);
    fraction("beta2", rule.beta2);
    above_zero("epsilon", rule.epsilon);
  }
  void operator()(const SgdRule& rule) const {
    fraction("momentum", rule.momentum);
    if (rule.nesterov && rule.momentum == 0.0F) {
      fail_usage("{}nesterov: needs a momentum above 0, found momentum = 0", prefix);
    }
  }
  void operator()(const MuonRule& rule) const {
    fraction("momentum", rule.momentum);
    if (rule.steps < 1 || rule.steps > kMostNewtonSchulzSteps) {
      fail_usage("{}steps of Newton-Schulz = {}: expected 1 to {}", prefix, rule.steps, kMostNewtonSchulzSteps);
    }
    if (rule.precision == Precision::bf16) (void)choose_precision("bf16");
  }
  void operator()(const OptimizerFactory& factory) const {
    if (!factory) fail_usage("{}its factory of optimisers is empty", prefix);
  }
};

/// Before a message: "parameter group 'weights': ", or its number if it has no name.
std::string where(std::span<const ParameterGroup> groups, std::size_t index) {
  const std::string& name = groups[index].name;
  return name.empty() ? fmt::format("parameter group {}: ", index) : fmt::format("parameter group '{}': ", name);
}

void check_rule_fits(const ParameterGroup& group, const Parameter& parameter, std::string_view prefix) {
  if (std::holds_alternative<MuonRule>(group.rule) && parameter.shape.rank() < 2) {
    fail_usage("{}{} has shape {}, expected a matrix: (out, in) or (out, in, kernel, kernel)", prefix, parameter.name,
               parameter.shape.to_string());
  }
}

}  // namespace

void check_group_settings(const ParameterGroup& group, std::string_view prefix) {
  const Checks checks{prefix};
  checks.at_least_zero("weight decay", group.weight_decay);
  checks.at_least_zero("rate factor", group.rate_factor);
  std::visit(checks, group.rule);
  const auto* muon = std::get_if<MuonRule>(&group.rule);
  if (muon != nullptr && muon->scaling == MuonScaling::renewed_norms && group.weight_decay > 0.0F) {
    fail_usage("{}weight decay = {}: has no effect on norms that are renewed, expected 0", prefix, group.weight_decay);
  }
}

void check_groups(const Graph& graph, std::span<const ParameterGroup> groups) {
  const auto& parameters = graph.parameters();
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::vector<std::size_t> group_of(parameters.size(), kNone);
  for (std::size_t index = 0; index < groups.size(); ++index) {
    const std::string prefix = where(groups, index);
    check_group_settings(groups[index], prefix);
    for (const ParameterId id : groups[index].parameters) {
      if (id < 0 || static_cast<std::size_t>(id) >= parameters.size()) {
        fail_usage("{}parameter {}: the network has only {}", prefix, id, parameters.size());
      }
      if (parameters[static_cast<std::size_t>(id)].frozen) {
        fail_usage("{}{} is frozen, expected in no group", prefix, parameters[static_cast<std::size_t>(id)].name);
      }
      check_rule_fits(groups[index], parameters[static_cast<std::size_t>(id)], prefix);
      std::size_t& group = group_of[static_cast<std::size_t>(id)];
      if (group != kNone) {
        fail_usage(
            "{}{} is {}", prefix, parameters[static_cast<std::size_t>(id)].name,
            group == index ? "listed twice, expected once" : "in another group already, expected in exactly one");
      }
      group = index;
    }
  }
  for (std::size_t id = 0; id < parameters.size(); ++id) {
    if (group_of[id] == kNone && !parameters[id].frozen)
      fail_usage("{}: in no parameter group, expected in exactly one", parameters[id].name);
  }
}

}  // namespace convmixer

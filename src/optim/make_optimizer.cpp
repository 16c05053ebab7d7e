#include "convmixer/optim/make_optimizer.hpp"

#include "convmixer/core/error.hpp"
#include "optim/combined_optimizer.hpp"
#include "optim/elementwise_optimizer.hpp"
#include "optim/group_checks.hpp"
#include "optim/muon_optimizer.hpp"

#include <algorithm>
#include <utility>

namespace convmixer {

namespace {

bool is_weight(const Graph& graph, ParameterId id) {
  return graph.parameters()[static_cast<std::size_t>(id)].role == ParameterRole::weight;
}

bool is_elementwise(const ParameterGroup& group) {
  return std::holds_alternative<AdamRule>(group.rule) || std::holds_alternative<SgdRule>(group.rule);
}

std::unique_ptr<Optimizer> make_by_factory(Parameters& parameters, const ParameterGroup& group, ThreadPool& pool) {
  std::unique_ptr<Optimizer> made = std::get<OptimizerFactory>(group.rule)(parameters, group, pool);
  if (made == nullptr) fail_usage("parameter group '{}': its factory made no optimiser", group.name);
  if (made->clip_norm() > 0.0F) {
    fail_usage(
        "parameter group '{}': its optimiser clips gradients by itself, expected a clip_norm of 0: it is one of "
        "all groups together",
        group.name);
  }
  std::vector<ParameterId> wanted = group.parameters;
  std::ranges::sort(wanted);
  if (!std::ranges::equal(made->parameter_ids(), wanted)) {
    fail_usage("parameter group '{}': its optimiser updates other parameters than the group's", group.name);
  }
  return made;
}

/// Of muon's matrices, which are taken from `others`.
ParameterGroup matrix_group(const Graph& graph, const OptimizerOptions& options, ParameterGroup& others) {
  ParameterGroup matrices{
      .name = "matrices",
      .parameters = hidden_matrices(graph),
      .rule = options.muon,
      .rate_factor = options.muon_rate_factor,
      .weight_decay = options.muon.scaling == MuonScaling::renewed_norms ? 0.0F : options.weight_decay};
  check_group_settings(matrices, "muon: ");
  if (matrices.parameters.empty()) {
    fail_usage(
        "muon: no hidden matrix of the network is trained (pointwise convolutions, of 4 channels at least); expected "
        "adamw");
  }
  std::erase_if(others.parameters, [&](ParameterId id) { return std::ranges::count(matrices.parameters, id) > 0; });
  return matrices;
}

}  // namespace

std::vector<ParameterGroup> parameter_groups(const Graph& graph, const OptimizerOptions& options) {
  ParameterGroup all{.name = "all parameters",
                     .parameters = trained_parameters(graph),
                     .rule = {},
                     .rate_factor = 1.0F,
                     .weight_decay = options.weight_decay};
  if (options.kind == OptimizerKind::sgd) {
    all.rule = SgdRule{.momentum = options.momentum, .nesterov = options.nesterov};
  } else {
    all.rule = AdamRule{.decoupled_decay = options.kind != OptimizerKind::adam,
                        .beta1 = options.beta1,
                        .beta2 = options.beta2,
                        .epsilon = options.epsilon};
  }
  check_group_settings(all, "");
  std::vector<ParameterGroup> groups;
  if (options.kind == OptimizerKind::muon) {
    groups.push_back(matrix_group(graph, options, all));
    all.name = "other parameters";
  }
  if (options.decay_norm_and_bias) {
    groups.push_back(all);
    return groups;
  }

  ParameterGroup weights = all;
  ParameterGroup others = all;
  weights.name = groups.empty() ? "weights" : "other weights";
  others.name = "norms and biases";
  std::erase_if(weights.parameters, [&](ParameterId id) { return !is_weight(graph, id); });
  std::erase_if(others.parameters, [&](ParameterId id) { return is_weight(graph, id); });
  others.weight_decay = 0.0F;
  groups.push_back(weights);
  groups.push_back(others);
  return groups;
}

std::unique_ptr<Optimizer> make_optimizer(Parameters& parameters, const OptimizerOptions& options, ThreadPool& pool) {
  return make_optimizer(parameters, parameter_groups(parameters.graph(), options), options.clip_norm, pool);
}

std::unique_ptr<Optimizer> make_optimizer(Parameters& parameters, const std::vector<ParameterGroup>& groups,
                                          float clip_norm, ThreadPool& pool) {
  check_groups(parameters.graph(), groups);
  std::vector<ParameterGroup> elementwise;
  std::ranges::copy_if(groups, std::back_inserter(elementwise), is_elementwise);
  if (elementwise.size() == groups.size()) {
    return std::make_unique<ElementwiseOptimizer>(parameters, std::move(elementwise), clip_norm, pool);
  }
  std::vector<std::unique_ptr<Optimizer>> members;
  if (!elementwise.empty()) {
    members.push_back(std::make_unique<ElementwiseOptimizer>(parameters, std::move(elementwise), 0.0F, pool));
  }
  for (const ParameterGroup& group : groups) {
    if (is_elementwise(group)) continue;
    members.push_back(std::holds_alternative<MuonRule>(group.rule) ? make_muon_optimizer(parameters, group, pool)
                                                                   : make_by_factory(parameters, group, pool));
  }
  return std::make_unique<CombinedOptimizer>(parameters, std::move(members), clip_norm);
}

}  // namespace convmixer

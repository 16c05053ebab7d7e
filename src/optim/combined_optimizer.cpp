#include "optim/combined_optimizer.hpp"

#include <iterator>
#include <utility>

namespace convmixer {

namespace {

std::vector<ParameterId> all_ids(const std::vector<std::unique_ptr<Optimizer>>& members) {
  std::vector<ParameterId> ids;
  for (const auto& member : members) {
    ids.insert(ids.end(), member->parameter_ids().begin(), member->parameter_ids().end());
  }
  return ids;
}

}  // namespace

CombinedOptimizer::CombinedOptimizer(Parameters& parameters, std::vector<std::unique_ptr<Optimizer>> members,
                                     float clip_norm)
    : Optimizer(parameters, all_ids(members), clip_norm), members_(std::move(members)) {}

std::vector<OptimizerState> CombinedOptimizer::state() {
  std::vector<OptimizerState> tensors;
  for (const auto& member : members_) {
    std::vector<OptimizerState> some = member->state();
    std::move(some.begin(), some.end(), std::back_inserter(tensors));
  }
  return tensors;
}

double CombinedOptimizer::update(const OptimizerStep& step) {
  double squares = 0.0;
  for (const auto& member : members_) squares += member->update(step);
  return squares;
}

void CombinedOptimizer::check(const OptimizerStep& step) const {
  for (const auto& member : members_) member->check(step);
}

double CombinedOptimizer::gradient_squares() {
  double squares = 0.0;
  for (const auto& member : members_) squares += member->gradient_squares();
  return squares;
}

}  // namespace convmixer

#include "step_profile.hpp"

#include "core/summary.hpp"

#include <algorithm>
#include <utility>

namespace convmixer::perf {

StepProfile::StepProfile(const std::vector<PlannedStep>& steps, Clock clock)
    : clock_(std::move(clock)), first_backward_(steps.size()) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const PlannedStep& step = steps[i];
    if (step.direction != "forward") first_backward_ = std::min(first_backward_, i);
    auto kind = std::ranges::find_if(kinds_, [&step](const OperationKind& other) {
      return other.operation == step.operation && other.direction == step.direction;
    });
    if (kind == kinds_.end()) kind = kinds_.insert(kinds_.end(), OperationKind{step.operation, step.direction, 0, {}});
    ++kind->calls;
    if (std::ranges::find(kind->implementations, step.implementation) == kind->implementations.end()) {
      kind->implementations.push_back(step.implementation);
    }
    kind_of_step_.push_back(static_cast<std::size_t>(kind - kinds_.begin()));
  }
  times_.kinds.assign(kinds_.size(), 0.0);
}

void StepProfile::begin(std::size_t step) {
  began_ = clock_();
  if (step == first_backward_) times_.loss += began_ - ended_;
}

void StepProfile::end(std::size_t step) {
  ended_ = clock_();
  times_.kinds[kind_of_step_[step]] += ended_ - began_;
}

StepTimes StepProfile::take() {
  StepTimes empty;
  empty.kinds.assign(kinds_.size(), 0.0);
  return std::exchange(times_, std::move(empty));
}

std::vector<SplitRow> split(const std::vector<OperationKind>& kinds, const std::vector<StepTimes>& steps) {
  std::vector<double> totals;
  for (const StepTimes& step : steps) totals.push_back(step.total);
  const std::vector<std::size_t> chosen = middle_half(totals);
  const auto mean = [&](const auto& part) {
    double sum = 0.0;
    for (const std::size_t i : chosen) sum += part(steps[i]);
    return sum / static_cast<double>(chosen.size());
  };
  std::vector<SplitRow> rows;
  double rest = mean([](const StepTimes& step) { return step.total; });
  const auto add = [&](SplitRow row) {
    rest -= row.seconds;
    rows.push_back(std::move(row));
  };
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    const OperationKind& kind = kinds[k];
    const double seconds = mean([k](const StepTimes& step) { return step.kinds[k]; });
    add({kind.operation, kind.direction, kind.calls, seconds, kind.implementations});
  }
  std::ranges::stable_sort(rows, std::greater<>(), &SplitRow::seconds);
  const double loss = mean([](const StepTimes& step) { return step.loss; });
  const double optimiser = mean([](const StepTimes& step) { return step.optimiser; });
  if (loss > 0.0) add({"loss", "", 1, loss, {"hand-written"}});
  if (optimiser > 0.0) add({"optimiser", "", 1, optimiser, {"hand-written"}});
  rows.push_back({"rest", "", 0, rest, {}});
  return rows;
}

}  // namespace convmixer::perf

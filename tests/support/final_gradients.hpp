/// Which gradients an execution's steps say are final, and what they are by then.
#pragma once

#include "convmixer/graph/parameters.hpp"
#include "plan/execution.hpp"

#include <cstddef>
#include <map>
#include <span>
#include <vector>

namespace convmixer::testing_support {

/// An observer that keeps the gradients that a step says are final, as they are when it ends.
class FinalGradients : public PlanObserver {
 public:
  FinalGradients(const Execution& execution, Parameters& parameters) : execution_(execution), parameters_(parameters) {}

  void begin(std::size_t /*step*/) override {}
  void end(std::size_t step) override {
    for (const ParameterId id : execution_.final_gradients[step]) {
      ++reports[id];
      const std::span<const float> gradient = parameters_.gradient(id);
      kept[id].assign(gradient.begin(), gradient.end());
    }
  }

  std::map<ParameterId, int> reports;
  std::map<ParameterId, std::vector<float>> kept;

 private:
  const Execution& execution_;
  Parameters& parameters_;
};

}  // namespace convmixer::testing_support

/// Three updates from drawn gradients, for tests that compare what comes of them.
#pragma once

#include "convmixer/core/rng.hpp"
#include "convmixer/optim/optimizer.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace convmixer::testing_support {

/// Calls function(i, value, gradient) for every number of every parameter, counted from 0.
template <typename Function>
void for_each_value(Parameters& parameters, Function function) {
  int i = 0;
  for (const ParameterId id : all_parameters(parameters.graph())) {
    for (std::size_t k = 0; k < parameters.value(id).size(); ++k) {
      function(i++, parameters.value(id)[k], parameters.gradient(id)[k]);
    }
  }
}

/// The three gradient norms, then all weights and the optimiser's state.
inline std::vector<double> after_three_updates(Parameters& parameters, Optimizer& optimizer) {
  std::vector<double> result;
  for (std::uint32_t step = 0; step < 3; ++step) {
    Rng rng(2, RandomStream::synthetic_data, step);
    for_each_value(parameters, [&](int, float&, float& gradient) { gradient = rng.uniform(-1.0F, 1.0F); });
    result.push_back(optimizer.step(0.01F));
  }
  for_each_value(parameters, [&](int, float value, float) { result.push_back(static_cast<double>(value)); });
  for (const OptimizerState& tensor : optimizer.state()) {
    result.insert(result.end(), tensor.values.begin(), tensor.values.end());
  }
  return result;
}

}  // namespace convmixer::testing_support

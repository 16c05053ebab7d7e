/// All numbers of one kind that a graph's parameters hold, one after another.
#pragma once

#include "convmixer/graph/parameters.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace convmixer::testing_support {

inline std::vector<float> all_gradients(const Parameters& parameters) {
  std::vector<float> all;
  for (std::size_t id = 0; id < parameters.graph().parameters().size(); ++id) {
    const std::span<const float> gradient = parameters.gradient(static_cast<ParameterId>(id));
    all.insert(all.end(), gradient.begin(), gradient.end());
  }
  return all;
}

inline std::vector<float> all_statistics(const Parameters& parameters) {
  std::vector<float> all;
  for (std::size_t id = 0; id < parameters.graph().statistics().size(); ++id) {
    const std::span<const float> statistic = parameters.statistic(static_cast<StatisticId>(id));
    all.insert(all.end(), statistic.begin(), statistic.end());
  }
  return all;
}

}  // namespace convmixer::testing_support

/// A network's parameters and statistics under the names they have in files.
#pragma once

#include "convmixer/graph/parameters.hpp"
#include "io/named_tensors.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <string_view>
#include <vector>

namespace convmixer {

/// Appends a network's parameters and then its running statistics, each name after a prefix.
template <typename Value, typename Source>
void list_network(Source& parameters, std::string_view parameter_prefix, std::string_view statistic_prefix,
                  std::vector<NamedTensor<Value>>& out) {
  const Graph& graph = parameters.graph();
  for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
    const Parameter& parameter = graph.parameters()[id];
    out.push_back({fmt::format("{}{}", parameter_prefix, parameter.name), parameter.shape,
                   parameters.value(static_cast<ParameterId>(id))});
  }
  for (std::size_t id = 0; id < graph.statistics().size(); ++id) {
    const Statistic& statistic = graph.statistics()[id];
    out.push_back({fmt::format("{}{}", statistic_prefix, statistic.name), statistic.shape,
                   parameters.statistic(static_cast<StatisticId>(id))});
  }
}

}  // namespace convmixer

/// Tensors in memory with the names they have in a file.
#pragma once

#include "convmixer/checkpoint/safetensors.hpp"
#include "convmixer/graph/parameters.hpp"

#include <fmt/format.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace convmixer {

/// A borrowed f32 tensor; Value is float or const float.
template <typename Value>
struct NamedTensor {
  std::string name;
  Shape shape;
  std::span<Value> values;
};

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

/// For writing.
[[nodiscard]] TensorView view_of(const NamedTensor<const float>& tensor);

/// Fills every tensor from the file, after checking all: each must be there with its shape, and nothing else may be but
/// what `may_remain` accepts. Throws Error naming file and tensor with nothing changed.
void fill_from(const SafetensorsFile& file, std::span<const NamedTensor<float>> tensors,
               const std::function<bool(const std::string& name, const SafetensorsFile::Entry&)>& may_remain);

}  // namespace convmixer

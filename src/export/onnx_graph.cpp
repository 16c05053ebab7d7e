#include "export/onnx_graph.hpp"

#include "export/onnx_messages.hpp"

#include <fmt/format.h>

#include <array>

namespace convmixer {

namespace {

// Of GraphProto: see onnx_messages.hpp.
namespace graph_field {
constexpr int kNode = 1, kName = 2, kInitializer = 5, kInput = 11, kOutput = 12;
}

}  // namespace

std::string StepNames::operator()(std::string_view step) const { return fmt::format("{}.{}", operation, step); }

OnnxGraph::OnnxGraph(const Parameters& parameters) : parameters_(parameters), graph_(parameters.graph()) {
  for (std::size_t id = 0; id < graph_.tensors().size(); ++id) names_.push_back(fmt::format("tensor_{}", id));
  names_.front() = kInputName;
  names_.back() = kLogitsName;
  message_.add_text(graph_field::kName, "convmixer");
}

void OnnxGraph::add_node(std::string_view type, const std::string& name, const std::vector<std::string>& inputs,
                         const std::string& output, std::span<const ProtobufMessage> attributes) {
  message_.add_message(graph_field::kNode, onnx_node(type, name, inputs, output, attributes));
}

void OnnxGraph::add_transpose(const std::string& name, const std::string& input, const std::string& output,
                              std::initializer_list<std::int64_t> order) {
  const std::array<ProtobufMessage, 1> attributes{onnx_attribute("perm", order)};
  add_node("Transpose", name, {input}, output, attributes);
}

void OnnxGraph::add_slice(const std::string& name, const std::string& input, const std::string& output,
                          std::int64_t axis, std::int64_t begin, std::int64_t end) {
  add_node("Slice", name,
           {input, add_integers(name + ".begin", {begin}), add_integers(name + ".end", {end}),
            add_integers(name + ".axis", {axis})},
           output);
}

std::string OnnxGraph::add_constant(const std::string& name, std::span<const std::int64_t> extents,
                                    std::span<const float> values) {
  message_.add_message(graph_field::kInitializer, onnx_tensor(name, extents, values));
  return name;
}

std::string OnnxGraph::add_integers(const std::string& name, std::initializer_list<std::int64_t> values) {
  message_.add_message(graph_field::kInitializer, onnx_tensor(name, {values.begin(), values.size()}));
  return name;
}

std::string OnnxGraph::number(const std::string& name, float value) {
  if (numbers_.emplace(name, value).second) add_constant(name, {}, {&value, 1});
  return name;
}

std::string OnnxGraph::parameter(ParameterId id) {
  const Parameter& parameter = graph_.parameters()[static_cast<std::size_t>(id)];
  return add_tensor(parameter.name, parameter.shape, parameters_.value(id));
}

std::string OnnxGraph::by_channel(ParameterId id) {
  const Parameter& parameter = graph_.parameters()[static_cast<std::size_t>(id)];
  return add_tensor(parameter.name, {parameter.shape[0], 1, 1}, parameters_.value(id));
}

std::string OnnxGraph::statistic(StatisticId id) {
  const Statistic& statistic = graph_.statistics()[static_cast<std::size_t>(id)];
  return add_tensor(statistic.name, statistic.shape, parameters_.statistic(id));
}

std::string OnnxGraph::add_tensor(const std::string& name, const Shape& shape, std::span<const float> values) {
  std::vector<std::int64_t> extents;
  for (int axis = 0; axis < shape.rank(); ++axis) extents.push_back(shape[axis]);
  return add_constant(name, extents, values);
}

void OnnxGraph::set_input(const std::string& name, const Shape& image_shape) {
  message_.add_message(graph_field::kInput, onnx_value(name, image_shape));
}

void OnnxGraph::set_output(const std::string& name, const Shape& image_shape) {
  message_.add_message(graph_field::kOutput, onnx_value(name, image_shape));
}

const std::string& OnnxGraph::source(const Node& node, std::size_t which) const {
  return names_[static_cast<std::size_t>(node.inputs[which])];
}

const std::string& OnnxGraph::output(const Node& node) const { return names_[static_cast<std::size_t>(node.output)]; }

const Shape& OnnxGraph::shape(TensorId tensor) const { return graph_.tensors()[static_cast<std::size_t>(tensor)]; }

}  // namespace convmixer

#include "export/onnx_messages.hpp"
#include "export/onnx_operations.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <numbers>
#include <string>
#include <string_view>
#include <vector>

namespace convmixer {

void write(OnnxGraph& graph, const Node& node, const Convolution& convolution) {
  const std::int64_t begin = convolution.padding_begin;
  const std::int64_t end = convolution.padding_end;
  const std::int64_t kernel = convolution.kernel;
  const std::int64_t stride = convolution.stride;
  const std::array<ProtobufMessage, 4> attributes{
      onnx_attribute("kernel_shape", {kernel, kernel}), onnx_attribute("strides", {stride, stride}),
      onnx_attribute("pads", {begin, begin, end, end}), onnx_attribute("group", std::int64_t{convolution.groups})};
  std::vector<std::string> inputs{graph.source(node), graph.parameter(convolution.weight)};
  if (convolution.bias != kNoParameter) inputs.push_back(graph.parameter(convolution.bias));
  graph.add_node("Conv", node.name, inputs, graph.output(node), attributes);
}

void write(OnnxGraph& graph, const Node& node, const Relu& /*relu*/) {
  graph.add_node("Relu", node.name, {graph.source(node)}, graph.output(node));
}

void write(OnnxGraph& graph, const Node& node, const MaxPool& pool) {
  const std::int64_t kernel = pool.kernel;
  const std::int64_t stride = pool.stride;
  const std::int64_t padding = pool.padding;
  const std::array<ProtobufMessage, 3> attributes{onnx_attribute("kernel_shape", {kernel, kernel}),
                                                  onnx_attribute("strides", {stride, stride}),
                                                  onnx_attribute("pads", {padding, padding, padding, padding})};
  graph.add_node("MaxPool", node.name, {graph.source(node)}, graph.output(node), attributes);
}

namespace {

/// Nothing is dropped where a network is only run.
void pass_on(OnnxGraph& graph, const Node& node) {
  graph.add_node("Identity", node.name, {graph.source(node)}, graph.output(node));
}

}  // namespace

void write(OnnxGraph& graph, const Node& node, const Dropout& /*dropout*/) { pass_on(graph, node); }
void write(OnnxGraph& graph, const Node& node, const DropPath& /*path*/) { pass_on(graph, node); }

void write(OnnxGraph& graph, const Node& node, const Gelu& /*gelu*/) {
  const StepNames step{node.name};
  graph.add_node("Div", step("div"), {graph.source(node), graph.number("sqrt_2", std::numbers::sqrt2_v<float>)},
                 step("scaled"));
  graph.add_node("Erf", step("erf"), {step("scaled")}, step("erf_of_it"));
  graph.add_node("Add", step("add"), {step("erf_of_it"), graph.number("one", 1.0F)}, step("plus_one"));
  graph.add_node("Mul", step("mul"), {graph.source(node), step("plus_one")}, step("doubled"));
  graph.add_node("Mul", step("half"), {step("doubled"), graph.number("half", 0.5F)}, graph.output(node));
}

void write(OnnxGraph& graph, const Node& node, const BatchNorm& norm) {
  // ONNX's momentum weighs the old value, PyTorch's the new one.
  const std::array<ProtobufMessage, 2> attributes{onnx_attribute("epsilon", norm.epsilon),
                                                  onnx_attribute("momentum", 1.0F - norm.momentum)};
  graph.add_node("BatchNormalization", node.name,
                 {graph.source(node), graph.parameter(norm.scale), graph.parameter(norm.shift),
                  graph.statistic(norm.running_mean), graph.statistic(norm.running_var)},
                 graph.output(node), attributes);
}

/// Opset 17 normalises channels one by one; a group's, laid side by side, are one.
void write(OnnxGraph& graph, const Node& node, const GroupNorm& norm) {
  const StepNames step{node.name};
  const Shape& shape = graph.shape(node.output);
  const std::vector<float> ones(static_cast<std::size_t>(norm.groups), 1.0F);
  const std::vector<float> zeros(ones.size(), 0.0F);
  const std::array<std::int64_t, 1> groups{norm.groups};
  const std::array<ProtobufMessage, 1> attributes{onnx_attribute("epsilon", norm.epsilon)};
  graph.add_node("Reshape", step("group"),
                 {graph.source(node), graph.add_integers(step("groups"), {0, norm.groups, -1})}, step("grouped"));
  graph.add_node("InstanceNormalization", step("normalise"),
                 {step("grouped"), graph.add_constant(step("ones"), groups, ones),
                  graph.add_constant(step("zeros"), groups, zeros)},
                 step("normalised_groups"), attributes);
  graph.add_node("Reshape", step("ungroup"),
                 {step("normalised_groups"), graph.add_integers(step("shape"), {0, shape[0], shape[1], shape[2]})},
                 step("normalised"));
  graph.add_node("Mul", step("scale"), {step("normalised"), graph.by_channel(norm.scale)}, step("scaled"));
  graph.add_node("Add", step("shift"), {step("scaled"), graph.by_channel(norm.shift)}, graph.output(node));
}

void write(OnnxGraph& graph, const Node& node, const Add& /*add*/) {
  graph.add_node("Add", node.name, {graph.source(node, 0), graph.source(node, 1)}, graph.output(node));
}

void write(OnnxGraph& graph, const Node& node, const GlobalAveragePool& /*pool*/) {
  const std::string pooled = fmt::format("{}.pooled", node.name);
  graph.add_node("GlobalAveragePool", node.name, {graph.source(node)}, pooled);
  const std::array<ProtobufMessage, 1> attributes{onnx_attribute("axis", std::int64_t{1})};
  graph.add_node("Flatten", fmt::format("{}.flatten", node.name), {pooled}, graph.output(node), attributes);
}

}  // namespace convmixer

#include "export/onnx_messages.hpp"
#include "export/onnx_operations.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace convmixer {

namespace {

/// Gemm takes two dimensions alone.
void write_of_tokens(OnnxGraph& graph, const Node& node, const Linear& linear) {
  const StepNames step{node.name};
  const bool with_bias = linear.bias != kNoParameter;
  graph.add_transpose(step("transpose"), graph.parameter(linear.weight), step("transposed"), {1, 0});
  graph.add_node("MatMul", node.name, {graph.source(node), step("transposed")},
                 with_bias ? step("product") : graph.output(node));
  if (with_bias)
    graph.add_node("Add", step("add"), {step("product"), graph.parameter(linear.bias)}, graph.output(node));
}

}  // namespace

void write(OnnxGraph& graph, const Node& node, const Linear& linear) {
  if (graph.shape(node.output).rank() == 2) return write_of_tokens(graph, node, linear);
  const std::array<ProtobufMessage, 1> attributes{onnx_attribute("transB", std::int64_t{1})};
  std::vector<std::string> inputs{graph.source(node), graph.parameter(linear.weight)};
  if (linear.bias != kNoParameter) inputs.push_back(graph.parameter(linear.bias));
  graph.add_node("Gemm", node.name, inputs, graph.output(node), attributes);
}

void write(OnnxGraph& graph, const Node& node, const LayerNorm& norm) {
  const StepNames step{node.name};
  const std::int64_t last = graph.shape(node.output).rank();  // the batch comes before
  const bool is_image = last == 3;
  const std::array<ProtobufMessage, 2> attributes{onnx_attribute("axis", last),
                                                  onnx_attribute("epsilon", norm.epsilon)};
  if (is_image) graph.add_transpose(step("channels_last"), graph.source(node), step("pixels"), {0, 2, 3, 1});
  graph.add_node(
      "LayerNormalization", node.name,
      {is_image ? step("pixels") : graph.source(node), graph.parameter(norm.scale), graph.parameter(norm.shift)},
      is_image ? step("normalised") : graph.output(node), attributes);
  if (is_image) graph.add_transpose(step("channels_first"), step("normalised"), graph.output(node), {0, 3, 1, 2});
}

void write(OnnxGraph& graph, const Node& node, const ToTokens& /*tokens*/) {
  const StepNames step{node.name};
  graph.add_node("Reshape", step("reshape"), {graph.source(node), graph.add_integers(step("shape"), {0, 0, -1})},
                 step("channels"));
  graph.add_transpose(node.name, step("channels"), graph.output(node), {0, 2, 1});
}

void write(OnnxGraph& graph, const Node& node, const Transpose& /*transpose*/) {
  graph.add_transpose(node.name, graph.source(node), graph.output(node), {0, 2, 1});
}

void write(OnnxGraph& graph, const Node& node, const TokenMean& mean) {
  const StepNames step{node.name};
  graph.add_slice(step("slice"), graph.source(node), step("tokens"), 1, mean.begin, mean.end);
  const std::array<ProtobufMessage, 2> attributes{onnx_attribute("axes", {1}),
                                                  onnx_attribute("keepdims", std::int64_t{0})};
  graph.add_node("ReduceMean", node.name, {step("tokens")}, graph.output(node), attributes);
}

void write(OnnxGraph& graph, const Node& node, const PositionEmbedding& embedding) {
  graph.add_node("Add", node.name, {graph.source(node), graph.parameter(embedding.position)}, graph.output(node));
}

/// An image's first token times 0 is as many zeros as a batch of any size needs.
void write(OnnxGraph& graph, const Node& node, const ClassToken& token) {
  const StepNames step{node.name};
  graph.add_slice(step("slice"), graph.source(node), step("first"), 1, 0, 1);
  graph.add_node("Mul", step("mul"), {step("first"), graph.number("zero", 0.0F)}, step("zeros"));
  graph.add_node("Add", step("add"), {step("zeros"), graph.parameter(token.token)}, step("tokens"));
  const std::array<ProtobufMessage, 1> attributes{onnx_attribute("axis", std::int64_t{1})};
  graph.add_node("Concat", node.name, {step("tokens"), graph.source(node)}, graph.output(node), attributes);
}

namespace {

/// Queries, keys or values as (N, H, T, F), keys as (N, H, F, T).
std::string add_heads(OnnxGraph& graph, const Node& node, const Attention& attention, std::string_view what,
                      std::int64_t part, std::initializer_list<std::int64_t> order) {
  const std::string name = fmt::format("{}.{}", node.name, what);
  const std::int64_t features = graph.shape(node.output)[1];
  graph.add_slice(name + ".slice", graph.source(node), name + ".features", 2, part * features, (part + 1) * features);
  const std::string extents = graph.add_integers(name + ".shape", {0, 0, attention.heads, features / attention.heads});
  graph.add_node("Reshape", name + ".reshape", {name + ".features", extents}, name + ".heads");
  graph.add_transpose(name, name + ".heads", name + ".matrices", order);
  return name + ".matrices";
}

}  // namespace

void write(OnnxGraph& graph, const Node& node, const Attention& attention) {
  const StepNames step{node.name};
  const std::int64_t features = graph.shape(node.output)[1];
  const std::string queries = add_heads(graph, node, attention, "queries", 0, {0, 2, 1, 3});
  const std::string keys = add_heads(graph, node, attention, "keys", 1, {0, 2, 3, 1});
  const std::string values = add_heads(graph, node, attention, "values", 2, {0, 2, 1, 3});
  const float factor = 1.0F / std::sqrt(static_cast<float>(features / attention.heads));
  graph.add_node("MatMul", step("scores"), {queries, keys}, step("products"));
  graph.add_node("Mul", step("scale"), {step("products"), graph.add_constant(step("factor"), {}, {&factor, 1})},
                 step("scaled"));
  const std::array<ProtobufMessage, 1> attributes{onnx_attribute("axis", std::int64_t{3})};
  graph.add_node("Softmax", step("softmax"), {step("scaled")}, step("shares"), attributes);
  graph.add_node("MatMul", step("mix"), {step("shares"), values}, step("mixed"));
  graph.add_transpose(step("transpose"), step("mixed"), step("by_token"), {0, 2, 1, 3});
  graph.add_node("Reshape", node.name, {step("by_token"), graph.add_integers(step("shape"), {0, 0, features})},
                 graph.output(node));
}

}  // namespace convmixer

#include "convmixer/export/onnx.hpp"

#include "checkpoint/weights_content.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "io/protobuf_writer.hpp"
#include "io/quoted.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <numbers>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

namespace convmixer {
namespace {

// Field numbers and enumerators of onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
namespace model_field {
constexpr int kIrVersion = 1, kProducerName = 2, kProducerVersion = 3, kGraph = 7, kOpsetImport = 8, kMetadata = 14;
}
namespace opset_field {
constexpr int kVersion = 2;
}
namespace graph_field {
constexpr int kNode = 1, kName = 2, kInitializer = 5, kInput = 11, kOutput = 12;
}
namespace node_field {
constexpr int kInput = 1, kOutput = 2, kName = 3, kOpType = 4, kAttribute = 5;
}
namespace attribute_field {
constexpr int kName = 1, kFloat = 2, kInt = 3, kInts = 8, kType = 20;
constexpr std::int64_t kTypeFloat = 1, kTypeInt = 2, kTypeInts = 7;
}  // namespace attribute_field
namespace tensor_field {
constexpr int kDims = 1, kDataType = 2, kName = 8, kRawData = 9;
constexpr std::int64_t kFloat = 1, kInt64 = 7;
}  // namespace tensor_field
namespace value_field {
constexpr int kName = 1, kType = 2, kTensorType = 1, kElementType = 1, kShape = 2, kDimension = 1, kDimValue = 1,
              kDimParam = 2;
}
namespace entry_field {
constexpr int kKey = 1, kValue = 2;
}

constexpr std::int64_t kIrVersion = 8;  // what opset 17 came with
constexpr std::int64_t kOpset = 17;
constexpr const char* kInputName = "input";
constexpr const char* kLogitsName = "logits";
constexpr const char* kProbabilitiesName = "probabilities";

ProtobufMessage tensor(std::string_view name, std::span<const std::int64_t> extents, std::span<const float> values) {
  ProtobufMessage message;
  message.add_ints(tensor_field::kDims, extents);
  message.add_int(tensor_field::kDataType, tensor_field::kFloat);
  message.add_text(tensor_field::kName, name);
  // raw_data is little-endian, as every CPU is that this program runs on.
  message.add_text(tensor_field::kRawData, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  return message;
}

/// One dimension.
ProtobufMessage tensor(std::string_view name, std::span<const std::int64_t> values) {
  ProtobufMessage message;
  message.add_int(tensor_field::kDims, std::ssize(values));
  message.add_int(tensor_field::kDataType, tensor_field::kInt64);
  message.add_text(tensor_field::kName, name);
  message.add_text(tensor_field::kRawData, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  return message;
}

ProtobufMessage attribute(std::string_view name, std::int64_t value) {
  ProtobufMessage message;
  message.add_text(attribute_field::kName, name);
  message.add_int(attribute_field::kInt, value);
  message.add_int(attribute_field::kType, attribute_field::kTypeInt);
  return message;
}

ProtobufMessage attribute(std::string_view name, float value) {
  ProtobufMessage message;
  message.add_text(attribute_field::kName, name);
  message.add_float(attribute_field::kFloat, value);
  message.add_int(attribute_field::kType, attribute_field::kTypeFloat);
  return message;
}

ProtobufMessage attribute(std::string_view name, std::initializer_list<std::int64_t> values) {
  ProtobufMessage message;
  message.add_text(attribute_field::kName, name);
  message.add_ints(attribute_field::kInts, {values.begin(), values.size()});
  message.add_int(attribute_field::kType, attribute_field::kTypeInts);
  return message;
}

/// An f32 tensor whose first extent is the batch.
ProtobufMessage value_info(std::string_view name, const Shape& image_shape) {
  ProtobufMessage shape;
  ProtobufMessage batch;
  batch.add_text(value_field::kDimParam, "batch");
  shape.add_message(value_field::kDimension, batch);
  for (int axis = 0; axis < image_shape.rank(); ++axis) {
    ProtobufMessage extent;
    extent.add_int(value_field::kDimValue, image_shape[axis]);
    shape.add_message(value_field::kDimension, extent);
  }
  ProtobufMessage tensor_type;
  tensor_type.add_int(value_field::kElementType, tensor_field::kFloat);
  tensor_type.add_message(value_field::kShape, shape);
  ProtobufMessage type;
  type.add_message(value_field::kTensorType, tensor_type);
  ProtobufMessage message;
  message.add_text(value_field::kName, name);
  message.add_message(value_field::kType, type);
  return message;
}

/// Turns a graph's nodes into ONNX's, in the same order.
class GraphWriter {
 public:
  GraphWriter(const Parameters& parameters, const OnnxOptions& options)
      : parameters_(parameters), graph_(parameters.graph()) {
    for (std::size_t id = 0; id < graph_.tensors().size(); ++id) names_.push_back(fmt::format("tensor_{}", id));
    names_.front() = kInputName;
    names_.back() = kLogitsName;
    message_.add_text(graph_field::kName, "convmixer");
    if (options.normalisation) normalise(*options.normalisation);
    for (const Node& node : graph_.nodes()) {
      std::visit([&](const auto& operation) { write(node, operation); }, node.operation);
    }
    message_.add_message(graph_field::kInput, value_info(kInputName, graph_.tensors().front()));
    if (options.probabilities) {
      const std::array<ProtobufMessage, 1> attributes{attribute("axis", std::int64_t{1})};
      add_node("Softmax", "softmax", {kLogitsName}, kProbabilitiesName, attributes);
    }
    message_.add_message(graph_field::kOutput,
                         value_info(options.probabilities ? kProbabilitiesName : kLogitsName, graph_.tensors().back()));
  }

  [[nodiscard]] const ProtobufMessage& message() const { return message_; }

 private:
  using Names = std::vector<std::string>;

  void add_node(std::string_view type, const std::string& name, const Names& inputs, const std::string& output,
                std::span<const ProtobufMessage> attributes = {}) {
    ProtobufMessage node;
    for (const std::string& input : inputs) node.add_text(node_field::kInput, input);
    node.add_text(node_field::kOutput, output);
    node.add_text(node_field::kName, name);
    node.add_text(node_field::kOpType, type);
    for (const ProtobufMessage& attribute : attributes) node.add_message(node_field::kAttribute, attribute);
    message_.add_message(graph_field::kNode, node);
  }

  std::string add_constant(const std::string& name, std::span<const std::int64_t> extents,
                           std::span<const float> values) {
    message_.add_message(graph_field::kInitializer, tensor(name, extents, values));
    return name;
  }

  /// A number that several nodes use.
  std::string number(const std::string& name, float value) {
    if (numbers_.emplace(name, value).second) add_constant(name, {}, {&value, 1});
    return name;
  }

  std::string add_integers(const std::string& name, std::initializer_list<std::int64_t> values) {
    message_.add_message(graph_field::kInitializer, tensor(name, {values.begin(), values.size()}));
    return name;
  }

  void add_transpose(const std::string& name, const std::string& input, const std::string& output,
                     std::initializer_list<std::int64_t> order) {
    const std::array<ProtobufMessage, 1> attributes{attribute("perm", order)};
    add_node("Transpose", name, {input}, output, attributes);
  }

  [[nodiscard]] const Shape& shape(TensorId tensor) const { return graph_.tensors()[static_cast<std::size_t>(tensor)]; }

  std::string parameter(ParameterId id) {
    const Parameter& parameter = graph_.parameters()[static_cast<std::size_t>(id)];
    return add_tensor(parameter.name, parameter.shape, parameters_.value(id));
  }

  /// As (C, 1, 1), which goes with every pixel.
  std::string by_channel(ParameterId id) {
    const Parameter& parameter = graph_.parameters()[static_cast<std::size_t>(id)];
    return add_tensor(parameter.name, {parameter.shape[0], 1, 1}, parameters_.value(id));
  }

  std::string statistic(StatisticId id) {
    const Statistic& statistic = graph_.statistics()[static_cast<std::size_t>(id)];
    return add_tensor(statistic.name, statistic.shape, parameters_.statistic(id));
  }

  std::string add_tensor(const std::string& name, const Shape& shape, std::span<const float> values) {
    std::vector<std::int64_t> extents;
    for (int axis = 0; axis < shape.rank(); ++axis) extents.push_back(shape[axis]);
    return add_constant(name, extents, values);
  }

  [[nodiscard]] const std::string& source(const Node& node, std::size_t which = 0) const {
    return names_[static_cast<std::size_t>(node.inputs[which])];
  }
  [[nodiscard]] const std::string& output(const Node& node) const {
    return names_[static_cast<std::size_t>(node.output)];
  }

  void normalise(const Normalisation& normalisation) {
    const std::int64_t channels = graph_.tensors().front()[0];
    const std::array<std::int64_t, 3> extents{channels, 1, 1};
    for (const std::vector<float>* values : {&normalisation.mean, &normalisation.std}) {
      if (static_cast<std::int64_t>(values->size()) != channels)
        fail_usage("a normalisation of {} channels: the network takes images of {}", values->size(), channels);
    }
    for (const float std : normalisation.std) {
      if (!(std > 0.0F)) fail_usage("a normalisation by the standard deviation {}: expected a number above 0", std);
    }
    add_node("Sub", "normalisation.sub", {kInputName, add_constant("normalisation.mean", extents, normalisation.mean)},
             "centred");
    add_node("Div", "normalisation.div", {"centred", add_constant("normalisation.std", extents, normalisation.std)},
             "normalised");
    names_.front() = "normalised";
  }

  void write(const Node& node, const Convolution& convolution) {
    const std::int64_t begin = convolution.padding_begin;
    const std::int64_t end = convolution.padding_end;
    const std::int64_t kernel = convolution.kernel;
    const std::int64_t stride = convolution.stride;
    const std::array<ProtobufMessage, 4> attributes{
        attribute("kernel_shape", {kernel, kernel}), attribute("strides", {stride, stride}),
        attribute("pads", {begin, begin, end, end}), attribute("group", std::int64_t{convolution.groups})};
    Names inputs{source(node), parameter(convolution.weight)};
    if (convolution.bias != kNoParameter) inputs.push_back(parameter(convolution.bias));
    add_node("Conv", node.name, inputs, output(node), attributes);
  }

  void write(const Node& node, const Relu& /*relu*/) { add_node("Relu", node.name, {source(node)}, output(node)); }

  void write(const Node& node, const MaxPool& pool) {
    const std::int64_t kernel = pool.kernel;
    const std::int64_t stride = pool.stride;
    const std::int64_t padding = pool.padding;
    const std::array<ProtobufMessage, 3> attributes{attribute("kernel_shape", {kernel, kernel}),
                                                    attribute("strides", {stride, stride}),
                                                    attribute("pads", {padding, padding, padding, padding})};
    add_node("MaxPool", node.name, {source(node)}, output(node), attributes);
  }

  /// Nothing is dropped where a network is only run.
  void write(const Node& node, const Dropout& /*dropout*/) { pass_on(node); }
  void write(const Node& node, const DropPath& /*path*/) { pass_on(node); }
  void pass_on(const Node& node) { add_node("Identity", node.name, {source(node)}, output(node)); }

  void write(const Node& node, const Gelu& /*gelu*/) {
    const auto step = [&](std::string_view rest) { return fmt::format("{}.{}", node.name, rest); };
    add_node("Div", step("div"), {source(node), number("sqrt_2", std::numbers::sqrt2_v<float>)}, step("scaled"));
    add_node("Erf", step("erf"), {step("scaled")}, step("erf_of_it"));
    add_node("Add", step("add"), {step("erf_of_it"), number("one", 1.0F)}, step("plus_one"));
    add_node("Mul", step("mul"), {source(node), step("plus_one")}, step("doubled"));
    add_node("Mul", step("half"), {step("doubled"), number("half", 0.5F)}, output(node));
  }

  void write(const Node& node, const BatchNorm& norm) {
    // ONNX's momentum weighs the old value, PyTorch's the new one.
    const std::array<ProtobufMessage, 2> attributes{attribute("epsilon", norm.epsilon),
                                                    attribute("momentum", 1.0F - norm.momentum)};
    add_node("BatchNormalization", node.name,
             {source(node), parameter(norm.scale), parameter(norm.shift), statistic(norm.running_mean),
              statistic(norm.running_var)},
             output(node), attributes);
  }

  /// Opset 17 normalises channels one by one; a group's, laid side by side, are one.
  void write(const Node& node, const GroupNorm& norm) {
    const auto step = [&](std::string_view rest) { return fmt::format("{}.{}", node.name, rest); };
    const Shape& shape = graph_.tensors()[static_cast<std::size_t>(node.output)];
    const std::vector<float> ones(static_cast<std::size_t>(norm.groups), 1.0F);
    const std::vector<float> zeros(ones.size(), 0.0F);
    const std::array<std::int64_t, 1> groups{norm.groups};
    const std::array<ProtobufMessage, 1> attributes{attribute("epsilon", norm.epsilon)};
    add_node("Reshape", step("group"), {source(node), add_integers(step("groups"), {0, norm.groups, -1})},
             step("grouped"));
    add_node("InstanceNormalization", step("normalise"),
             {step("grouped"), add_constant(step("ones"), groups, ones), add_constant(step("zeros"), groups, zeros)},
             step("normalised_groups"), attributes);
    add_node("Reshape", step("ungroup"),
             {step("normalised_groups"), add_integers(step("shape"), {0, shape[0], shape[1], shape[2]})},
             step("normalised"));
    add_node("Mul", step("scale"), {step("normalised"), by_channel(norm.scale)}, step("scaled"));
    add_node("Add", step("shift"), {step("scaled"), by_channel(norm.shift)}, output(node));
  }

  void write(const Node& node, const Add& /*add*/) {
    add_node("Add", node.name, {source(node, 0), source(node, 1)}, output(node));
  }

  void write(const Node& node, const GlobalAveragePool& /*pool*/) {
    const std::string pooled = fmt::format("{}.pooled", node.name);
    add_node("GlobalAveragePool", node.name, {source(node)}, pooled);
    const std::array<ProtobufMessage, 1> attributes{attribute("axis", std::int64_t{1})};
    add_node("Flatten", fmt::format("{}.flatten", node.name), {pooled}, output(node), attributes);
  }

  void write(const Node& node, const Linear& linear) {
    if (shape(node.output).rank() == 2) return write_of_tokens(node, linear);
    const std::array<ProtobufMessage, 1> attributes{attribute("transB", std::int64_t{1})};
    Names inputs{source(node), parameter(linear.weight)};
    if (linear.bias != kNoParameter) inputs.push_back(parameter(linear.bias));
    add_node("Gemm", node.name, inputs, output(node), attributes);
  }

  /// Gemm takes two dimensions alone.
  void write_of_tokens(const Node& node, const Linear& linear) {
    const auto step = [&](std::string_view rest) { return fmt::format("{}.{}", node.name, rest); };
    const bool with_bias = linear.bias != kNoParameter;
    add_transpose(step("transpose"), parameter(linear.weight), step("transposed"), {1, 0});
    add_node("MatMul", node.name, {source(node), step("transposed")}, with_bias ? step("product") : output(node));
    if (with_bias) add_node("Add", step("add"), {step("product"), parameter(linear.bias)}, output(node));
  }

  void write(const Node& node, const LayerNorm& norm) {
    const auto step = [&](std::string_view rest) { return fmt::format("{}.{}", node.name, rest); };
    const std::int64_t last = shape(node.output).rank();  // the batch comes before
    const bool is_image = last == 3;
    const std::array<ProtobufMessage, 2> attributes{attribute("axis", last), attribute("epsilon", norm.epsilon)};
    if (is_image) add_transpose(step("channels_last"), source(node), step("pixels"), {0, 2, 3, 1});
    add_node("LayerNormalization", node.name,
             {is_image ? step("pixels") : source(node), parameter(norm.scale), parameter(norm.shift)},
             is_image ? step("normalised") : output(node), attributes);
    if (is_image) add_transpose(step("channels_first"), step("normalised"), output(node), {0, 3, 1, 2});
  }

  void write(const Node& node, const ToTokens& /*tokens*/) {
    const auto step = [&](std::string_view rest) { return fmt::format("{}.{}", node.name, rest); };
    add_node("Reshape", step("reshape"), {source(node), add_integers(step("shape"), {0, 0, -1})}, step("channels"));
    add_transpose(node.name, step("channels"), output(node), {0, 2, 1});
  }

  void write(const Node& node, const Transpose& /*transpose*/) {
    add_transpose(node.name, source(node), output(node), {0, 2, 1});
  }

  /// Elements [begin, end) along an axis.
  void add_slice(const std::string& name, const std::string& input, const std::string& output, std::int64_t axis,
                 std::int64_t begin, std::int64_t end) {
    add_node("Slice", name,
             {input, add_integers(name + ".begin", {begin}), add_integers(name + ".end", {end}),
              add_integers(name + ".axis", {axis})},
             output);
  }

  void write(const Node& node, const TokenMean& mean) {
    const auto step = [&](std::string_view rest) { return fmt::format("{}.{}", node.name, rest); };
    add_slice(step("slice"), source(node), step("tokens"), 1, mean.begin, mean.end);
    const std::array<ProtobufMessage, 2> attributes{attribute("axes", {1}), attribute("keepdims", std::int64_t{0})};
    add_node("ReduceMean", node.name, {step("tokens")}, output(node), attributes);
  }

  void write(const Node& node, const PositionEmbedding& embedding) {
    add_node("Add", node.name, {source(node), parameter(embedding.position)}, output(node));
  }

  /// An image's first token times 0 is as many zeros as a batch of any size needs.
  void write(const Node& node, const ClassToken& token) {
    const auto step = [&](std::string_view rest) { return fmt::format("{}.{}", node.name, rest); };
    add_slice(step("slice"), source(node), step("first"), 1, 0, 1);
    add_node("Mul", step("mul"), {step("first"), number("zero", 0.0F)}, step("zeros"));
    add_node("Add", step("add"), {step("zeros"), parameter(token.token)}, step("tokens"));
    const std::array<ProtobufMessage, 1> attributes{attribute("axis", std::int64_t{1})};
    add_node("Concat", node.name, {step("tokens"), source(node)}, output(node), attributes);
  }

  /// Queries, keys or values as (N, H, T, F), keys as (N, H, F, T).
  std::string add_heads(const Node& node, const Attention& attention, std::string_view what, std::int64_t part,
                        std::initializer_list<std::int64_t> order) {
    const std::string name = fmt::format("{}.{}", node.name, what);
    const std::int64_t features = shape(node.output)[1];
    add_slice(name + ".slice", source(node), name + ".features", 2, part * features, (part + 1) * features);
    const std::string extents = add_integers(name + ".shape", {0, 0, attention.heads, features / attention.heads});
    add_node("Reshape", name + ".reshape", {name + ".features", extents}, name + ".heads");
    add_transpose(name, name + ".heads", name + ".matrices", order);
    return name + ".matrices";
  }

  void write(const Node& node, const Attention& attention) {
    const auto step = [&](std::string_view rest) { return fmt::format("{}.{}", node.name, rest); };
    const std::int64_t features = shape(node.output)[1];
    const std::string queries = add_heads(node, attention, "queries", 0, {0, 2, 1, 3});
    const std::string keys = add_heads(node, attention, "keys", 1, {0, 2, 3, 1});
    const std::string values = add_heads(node, attention, "values", 2, {0, 2, 1, 3});
    const float factor = 1.0F / std::sqrt(static_cast<float>(features / attention.heads));
    add_node("MatMul", step("scores"), {queries, keys}, step("products"));
    add_node("Mul", step("scale"), {step("products"), add_constant(step("factor"), {}, {&factor, 1})}, step("scaled"));
    const std::array<ProtobufMessage, 1> attributes{attribute("axis", std::int64_t{3})};
    add_node("Softmax", step("softmax"), {step("scaled")}, step("shares"), attributes);
    add_node("MatMul", step("mix"), {step("shares"), values}, step("mixed"));
    add_transpose(step("transpose"), step("mixed"), step("by_token"), {0, 2, 1, 3});
    add_node("Reshape", node.name, {step("by_token"), add_integers(step("shape"), {0, 0, features})}, output(node));
  }

  const Parameters& parameters_;
  const Graph& graph_;
  ProtobufMessage message_;
  std::vector<std::string> names_;  // by tensor
  std::map<std::string, float> numbers_;
};

void add_metadata(ProtobufMessage& model, const std::string& key, const std::string& value) {
  try {
    (void)nlohmann::json{key, value}.dump();
  } catch (const nlohmann::json::exception&) {
    fail_usage("ONNX metadata {}: expected UTF-8", quoted(key));
  }
  ProtobufMessage entry;
  entry.add_text(entry_field::kKey, key);
  entry.add_text(entry_field::kValue, value);
  model.add_message(model_field::kMetadata, entry);
}

/// Parsers of protocol buffers refuse longer messages.
void check_size(std::size_t bytes) {
  constexpr std::size_t kMost = std::numeric_limits<std::int32_t>::max();
  if (bytes > kMost) fail_usage("{} bytes of weights and graph: an ONNX file holds {} at most", bytes, kMost);
}

}  // namespace

std::map<std::string, std::string> onnx_metadata(const CheckpointInfo& info, bool normalises) {
  std::map<std::string, std::string> metadata = weights_metadata(info);
  metadata.erase("format");  // of tensors in files for PyTorch
  metadata["input"] = normalises          ? "pixels scaled to 0..1"
                      : info.mean.empty() ? "pixels scaled to 0..1, normalised as in its training"
                                          : "pixels scaled to 0..1, less mean, divided by std";
  return metadata;
}

std::string onnx_bytes(const Parameters& parameters, const OnnxOptions& options) {
  const GraphWriter graph(parameters, options);
  check_size(graph.message().bytes().size());
  ProtobufMessage opset;
  opset.add_int(opset_field::kVersion, kOpset);
  ProtobufMessage model;
  model.add_int(model_field::kIrVersion, kIrVersion);
  model.add_text(model_field::kProducerName, "convmixer");
  model.add_text(model_field::kProducerVersion, CONVMIXER_VERSION);
  model.add_message(model_field::kGraph, graph.message());
  model.add_message(model_field::kOpsetImport, opset);
  for (const auto& [key, value] : options.metadata) add_metadata(model, key, value);
  check_size(model.bytes().size());
  return model.bytes();
}

void write_onnx(const std::filesystem::path& path, const Parameters& parameters, const OnnxOptions& options) {
  write_file_atomically(path, onnx_bytes(parameters, options));
}

}  // namespace convmixer

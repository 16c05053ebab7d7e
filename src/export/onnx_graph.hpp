/// A graph of ONNX while its nodes are added.
#pragma once

#include "convmixer/graph/parameters.hpp"
#include "io/protobuf_writer.hpp"

#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace convmixer {

/// Names for the nodes and values that an operation becomes, if it becomes several: its own name, and what a step is.
struct StepNames {
  const std::string& operation;
  [[nodiscard]] std::string operator()(std::string_view step) const;
};

class OnnxGraph {
 public:
  static constexpr const char* kInputName = "input";
  static constexpr const char* kLogitsName = "logits";

  explicit OnnxGraph(const Parameters& parameters);

  /// The message (GraphProto) as it is so far.
  [[nodiscard]] const ProtobufMessage& message() const { return message_; }

  void add_node(std::string_view type, const std::string& name, const std::vector<std::string>& inputs,
                const std::string& output, std::span<const ProtobufMessage> attributes = {});
  void add_transpose(const std::string& name, const std::string& input, const std::string& output,
                     std::initializer_list<std::int64_t> order);
  /// Elements [begin, end) along an axis.
  void add_slice(const std::string& name, const std::string& input, const std::string& output, std::int64_t axis,
                 std::int64_t begin, std::int64_t end);

  // What nodes read besides others' outputs; each returns its name.
  std::string add_constant(const std::string& name, std::span<const std::int64_t> extents,
                           std::span<const float> values);
  std::string add_integers(const std::string& name, std::initializer_list<std::int64_t> values);
  /// A number that several nodes use.
  std::string number(const std::string& name, float value);
  std::string parameter(ParameterId id);
  /// A parameter as (C, 1, 1), which goes with every pixel.
  std::string by_channel(ParameterId id);
  std::string statistic(StatisticId id);

  /// What the network takes, and gives.
  void set_input(const std::string& name, const Shape& image_shape);
  void set_output(const std::string& name, const Shape& image_shape);
  /// Nodes that read the images read this instead.
  void replace_images(const std::string& name) { names_.front() = name; }

  [[nodiscard]] const Graph& graph() const { return graph_; }
  /// The names of a node's inputs, and of its output.
  [[nodiscard]] const std::string& source(const Node& node, std::size_t which = 0) const;
  [[nodiscard]] const std::string& output(const Node& node) const;
  [[nodiscard]] const Shape& shape(TensorId tensor) const;

 private:
  std::string add_tensor(const std::string& name, const Shape& shape, std::span<const float> values);

  const Parameters& parameters_;
  const Graph& graph_;
  ProtobufMessage message_;
  std::vector<std::string> names_;  // by tensor
  std::map<std::string, float> numbers_;
};

}  // namespace convmixer

/// Runs an ONNX file in plain double-precision loops: a twin of what a runtime does with it, for the operators that
/// the models here are exported as. https://onnx.ai/onnx/operators/
#pragma once

#include "support/protobuf_reader.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace convmixer::testing_support {

struct OnnxTensor {
  std::vector<std::int64_t> extents;
  std::vector<double> values;
};

class OnnxInterpreter {
 public:
  /// Throws std::runtime_error for bytes that are no ONNX model, for a name that is given twice, and for one that is
  /// read before it is given.
  explicit OnnxInterpreter(std::string_view bytes);

  [[nodiscard]] const ProtobufReader& model() const { return model_; }
  [[nodiscard]] const std::map<std::string, OnnxTensor>& initializers() const { return initializers_; }
  /// The operators in the order they run in.
  [[nodiscard]] std::vector<std::string> operators() const;
  /// Value of a node's attribute of integers, by the node's name.
  [[nodiscard]] std::vector<std::int64_t> integers(const std::string& node, const std::string& attribute) const;

  /// Value of a node's attribute that is a real number.
  [[nodiscard]] double real(const std::string& node, const std::string& attribute) const;

  /// The output for an input.
  [[nodiscard]] OnnxTensor run(const OnnxTensor& input) const;

 private:
  struct Node;
  [[nodiscard]] const Node& named(const std::string& node) const;
  [[nodiscard]] static OnnxTensor apply(const Node& node, const std::vector<const OnnxTensor*>& inputs);

  ProtobufReader model_;
  ProtobufReader graph_;
  std::vector<Node> nodes_;
  std::map<std::string, OnnxTensor> initializers_;
};

struct OnnxInterpreter::Node {
  explicit Node(const ProtobufReader& message);

  std::string name;
  std::string type;
  std::vector<std::string> inputs;
  std::string output;
  std::map<std::string, std::vector<std::int64_t>> integers;
  std::map<std::string, double> floats;
};

}  // namespace convmixer::testing_support

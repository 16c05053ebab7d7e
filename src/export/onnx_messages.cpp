#include "export/onnx_messages.hpp"

namespace convmixer {

namespace {

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

}  // namespace

ProtobufMessage onnx_tensor(std::string_view name, std::span<const std::int64_t> extents,
                            std::span<const float> values) {
  ProtobufMessage message;
  message.add_ints(tensor_field::kDims, extents);
  message.add_int(tensor_field::kDataType, tensor_field::kFloat);
  message.add_text(tensor_field::kName, name);
  // raw_data is little-endian, as every CPU is that this program runs on.
  message.add_text(tensor_field::kRawData, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  return message;
}

ProtobufMessage onnx_tensor(std::string_view name, std::span<const std::int64_t> values) {
  ProtobufMessage message;
  message.add_int(tensor_field::kDims, std::ssize(values));
  message.add_int(tensor_field::kDataType, tensor_field::kInt64);
  message.add_text(tensor_field::kName, name);
  message.add_text(tensor_field::kRawData, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  return message;
}

ProtobufMessage onnx_attribute(std::string_view name, std::int64_t value) {
  ProtobufMessage message;
  message.add_text(attribute_field::kName, name);
  message.add_int(attribute_field::kInt, value);
  message.add_int(attribute_field::kType, attribute_field::kTypeInt);
  return message;
}

ProtobufMessage onnx_attribute(std::string_view name, float value) {
  ProtobufMessage message;
  message.add_text(attribute_field::kName, name);
  message.add_float(attribute_field::kFloat, value);
  message.add_int(attribute_field::kType, attribute_field::kTypeFloat);
  return message;
}

ProtobufMessage onnx_attribute(std::string_view name, std::initializer_list<std::int64_t> values) {
  ProtobufMessage message;
  message.add_text(attribute_field::kName, name);
  message.add_ints(attribute_field::kInts, {values.begin(), values.size()});
  message.add_int(attribute_field::kType, attribute_field::kTypeInts);
  return message;
}

ProtobufMessage onnx_node(std::string_view type, std::string_view name, std::span<const std::string> inputs,
                          std::string_view output, std::span<const ProtobufMessage> attributes) {
  ProtobufMessage message;
  for (const std::string& input : inputs) message.add_text(node_field::kInput, input);
  message.add_text(node_field::kOutput, output);
  message.add_text(node_field::kName, name);
  message.add_text(node_field::kOpType, type);
  for (const ProtobufMessage& attribute : attributes) message.add_message(node_field::kAttribute, attribute);
  return message;
}

ProtobufMessage onnx_value(std::string_view name, const Shape& image_shape) {
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

}  // namespace convmixer

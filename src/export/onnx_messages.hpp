/// Messages of ONNX: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto has their fields' numbers.
#pragma once

#include "convmixer/core/shape.hpp"
#include "io/protobuf_writer.hpp"

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace convmixer {

/// A tensor of f32 (TensorProto).
[[nodiscard]] ProtobufMessage onnx_tensor(std::string_view name, std::span<const std::int64_t> extents,
                                          std::span<const float> values);
/// One of integers, of one dimension.
[[nodiscard]] ProtobufMessage onnx_tensor(std::string_view name, std::span<const std::int64_t> values);

/// An attribute of a node (AttributeProto).
[[nodiscard]] ProtobufMessage onnx_attribute(std::string_view name, std::int64_t value);
[[nodiscard]] ProtobufMessage onnx_attribute(std::string_view name, float value);
[[nodiscard]] ProtobufMessage onnx_attribute(std::string_view name, std::initializer_list<std::int64_t> values);

/// A node (NodeProto) that makes `output` of `inputs`, the names of values.
[[nodiscard]] ProtobufMessage onnx_node(std::string_view type, std::string_view name,
                                        std::span<const std::string> inputs, std::string_view output,
                                        std::span<const ProtobufMessage> attributes);

/// What a graph takes or gives (ValueInfoProto): an f32 tensor whose first extent is the batch.
[[nodiscard]] ProtobufMessage onnx_value(std::string_view name, const Shape& image_shape);

}  // namespace convmixer

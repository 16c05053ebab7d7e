/// Protocol buffers' wire format, as far as writing ONNX and TensorBoard's events needs it.
/// https://protobuf.dev/programming-guides/encoding/: a message is a list of fields, each a key (number * 8 + wire
/// type, a varint) and a value: a varint (wire type 0), four bytes (5), eight (1), or bytes after their length (2).
/// libprotobuf would bring a compiler of schemas and a shared library whose versions don't mix within one program.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace convmixer {

/// One message, field by field in the order of the calls. Repeated fields are written by calling again. Fields are
/// numbered from 1.
class ProtobufMessage {
 public:
  /// int64, int32, uint64 and enum fields: negative numbers take ten bytes, as the format wants.
  void add_int(int field, std::int64_t value);
  void add_float(int field, float value);
  void add_double(int field, double value);
  /// string and bytes fields; a string is to be UTF-8.
  void add_text(int field, std::string_view text);
  void add_message(int field, const ProtobufMessage& message) { add_text(field, message.bytes()); }
  /// A repeated int64 field whose values stand one by one, as proto2 writes them.
  void add_ints(int field, std::span<const std::int64_t> values);
  /// A repeated double field whose values stand packed, as proto3 writes them; without values nothing.
  void add_doubles(int field, std::span<const double> values);

  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }

 private:
  void key(int field, int wire_type);
  void varint(std::uint64_t value);
  void fixed(std::uint64_t bits, unsigned bytes);

  std::string bytes_;
};

}  // namespace convmixer

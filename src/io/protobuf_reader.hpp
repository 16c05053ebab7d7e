/// Protocol buffers' wire format (protobuf_writer.hpp), read field by field.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace convmixer {

struct ProtobufField {
  std::uint32_t number = 0;
  std::uint64_t bits = 0;  ///< of a varint, of four bytes or of eight
  std::string_view bytes;  ///< of a string, of bytes, of a message and of packed numbers

  [[nodiscard]] float as_float() const noexcept;
};

/// Takes the first field off a message. Nothing at its end, and where it is cut short or damaged; then nothing is left
/// of it.
[[nodiscard]] std::optional<ProtobufField> take_field(std::string_view& message);

}  // namespace convmixer

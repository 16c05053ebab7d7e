#include "io/protobuf_reader.hpp"

#include <bit>
#include <cstddef>

namespace convmixer {
namespace {

std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
  constexpr unsigned kMostBits = 64;
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < kMostBits && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80U) return value;
  }
  return std::nullopt;
}

std::optional<std::string_view> take_bytes(std::string_view& bytes, std::uint64_t count) {
  if (count > bytes.size()) return std::nullopt;
  const std::string_view taken = bytes.substr(0, count);
  bytes.remove_prefix(count);
  return taken;
}

std::optional<std::uint64_t> take_fixed(std::string_view& bytes, std::size_t count) {
  const auto taken = take_bytes(bytes, count);
  if (!taken) return std::nullopt;
  std::uint64_t bits = 0;
  for (std::size_t i = count; i > 0; --i) bits = bits << 8U | static_cast<unsigned char>((*taken)[i - 1]);
  return bits;
}

std::optional<ProtobufField> take_whole_field(std::string_view& message) {
  const auto key = take_varint(message);
  if (!key) return std::nullopt;
  ProtobufField field{.number = static_cast<std::uint32_t>(*key >> 3U), .bits = 0, .bytes = {}};
  std::optional<std::uint64_t> bits;
  switch (*key & 7U) {
    case 0:
      bits = take_varint(message);
      break;
    case 1:
      bits = take_fixed(message, 8);
      break;
    case 2:
      if (const auto count = take_varint(message)) {
        if (const auto bytes = take_bytes(message, *count)) {
          field.bytes = *bytes;
          bits = 0;
        }
      }
      break;
    case 5:
      bits = take_fixed(message, 4);
      break;
    default:
      break;
  }
  if (!bits) return std::nullopt;
  field.bits = *bits;
  return field;
}

}  // namespace

float ProtobufField::as_float() const noexcept { return std::bit_cast<float>(static_cast<std::uint32_t>(bits)); }

std::optional<ProtobufField> take_field(std::string_view& message) {
  auto field = take_whole_field(message);
  if (!field) message = {};
  return field;
}

}  // namespace convmixer

#include "io/protobuf_writer.hpp"

#include <bit>

namespace convmixer {
namespace {

constexpr int kVarint = 0;
constexpr int kEightBytes = 1;
constexpr int kLengthDelimited = 2;
constexpr int kFourBytes = 5;

}  // namespace

void ProtobufMessage::varint(std::uint64_t value) {
  constexpr std::uint64_t kMoreFollows = 0x80;
  for (; value >= kMoreFollows; value >>= 7) bytes_.push_back(static_cast<char>(value % kMoreFollows + kMoreFollows));
  bytes_.push_back(static_cast<char>(value));
}

void ProtobufMessage::key(int field, int wire_type) {
  varint((static_cast<std::uint64_t>(field) << 3U) + static_cast<std::uint64_t>(wire_type));
}

void ProtobufMessage::fixed(std::uint64_t bits, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) bytes_.push_back(static_cast<char>(bits >> (8 * i) & 0xFFU));
}

void ProtobufMessage::add_int(int field, std::int64_t value) {
  key(field, kVarint);
  varint(static_cast<std::uint64_t>(value));
}

void ProtobufMessage::add_float(int field, float value) {
  key(field, kFourBytes);
  fixed(std::bit_cast<std::uint32_t>(value), sizeof value);
}

void ProtobufMessage::add_double(int field, double value) {
  key(field, kEightBytes);
  fixed(std::bit_cast<std::uint64_t>(value), sizeof value);
}

void ProtobufMessage::add_text(int field, std::string_view text) {
  key(field, kLengthDelimited);
  varint(text.size());
  bytes_.append(text);
}

void ProtobufMessage::add_ints(int field, std::span<const std::int64_t> values) {
  for (const std::int64_t value : values) add_int(field, value);
}

void ProtobufMessage::add_doubles(int field, std::span<const double> values) {
  if (values.empty()) return;
  key(field, kLengthDelimited);
  varint(values.size() * sizeof(double));
  for (const double value : values) fixed(std::bit_cast<std::uint64_t>(value), sizeof value);
}

}  // namespace convmixer

/// Reads protocol buffers' wire format, knowing nothing of its writer: a plain twin for the tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace convmixer::testing_support {

/// A message's fields by number, each with its values in their order. Throws std::runtime_error for what is no message.
class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::uint64_t key = varint(bytes);
      Values& values = fields_[static_cast<int>(key / 8)];
      switch (key % 8) {
        case 0:
          values.numbers.push_back(static_cast<std::int64_t>(varint(bytes)));
          break;
        case 1: {
          double value = 0.0;
          std::memcpy(&value, take(bytes, sizeof value).data(), sizeof value);
          values.doubles.push_back(value);
          break;
        }
        case 2:
          values.texts.emplace_back(take(bytes, varint(bytes)));
          break;
        case 5: {
          float value = 0.0F;
          std::memcpy(&value, take(bytes, sizeof value).data(), sizeof value);
          values.floats.push_back(value);
          break;
        }
        default:
          throw std::runtime_error("a wire type that no field of ONNX or TensorBoard has");
      }
    }
  }

  [[nodiscard]] const std::vector<std::int64_t>& numbers(int field) const { return of(field).numbers; }
  [[nodiscard]] const std::vector<float>& floats(int field) const { return of(field).floats; }
  [[nodiscard]] const std::vector<std::string>& texts(int field) const { return of(field).texts; }
  [[nodiscard]] double real(int field) const { return of(field).doubles.at(0); }
  /// Of a packed field.
  [[nodiscard]] std::vector<double> packed_doubles(int field) const {
    std::vector<double> numbers(text(field).size() / sizeof(double));
    std::memcpy(numbers.data(), text(field).data(), numbers.size() * sizeof(double));
    return numbers;
  }
  [[nodiscard]] std::int64_t number(int field) const { return numbers(field).at(0); }
  [[nodiscard]] const std::string& text(int field) const { return texts(field).at(0); }
  [[nodiscard]] ProtobufReader message(int field, std::size_t which = 0) const {
    return ProtobufReader(texts(field).at(which));
  }
  [[nodiscard]] std::vector<ProtobufReader> messages(int field) const {
    std::vector<ProtobufReader> all;
    for (const std::string& text : texts(field)) all.emplace_back(text);
    return all;
  }

 private:
  struct Values {
    std::vector<std::int64_t> numbers;
    std::vector<float> floats;
    std::vector<double> doubles;
    std::vector<std::string> texts;
  };

  static std::uint64_t varint(std::string_view& bytes) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(bytes, 1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) return value;
    }
    throw std::runtime_error("a varint of more than ten bytes");
  }

  static std::string_view take(std::string_view& bytes, std::uint64_t count) {
    if (count > bytes.size()) throw std::runtime_error("a message that is cut short");
    const std::string_view taken = bytes.substr(0, count);
    bytes.remove_prefix(count);
    return taken;
  }

  [[nodiscard]] const Values& of(int field) const {
    static const Values none;
    const auto found = fields_.find(field);
    return found == fields_.end() ? none : found->second;
  }

  std::map<int, Values> fields_;
};

}  // namespace convmixer::testing_support

/// Safetensors files put together by hand, for tests of readers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace convmixer::testing_support {

/// The 8 bytes that begin a file.
inline std::string header_length(std::uint64_t length) {
  std::string bytes(8, '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(length & 0xffU);
    length >>= 8;
  }
  return bytes;
}

/// A file of this header and this data, whatever they are.
inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
  return header_length(header.size()).append(header).append(data);
}

}  // namespace convmixer::testing_support

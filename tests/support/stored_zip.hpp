/// Zip archives as torch.save writes them: nothing is compressed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <zlib.h>

namespace convmixer::testing_support {

/// Little-endian.
inline void append_number(std::string& bytes, std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i, value >>= 8) bytes.push_back(static_cast<char>(value));
}

/// The flag of names in UTF-8, as zip's programs set it for those that aren't ASCII.
inline constexpr std::uint64_t kUtf8Names = 1U << 11U;

/// An archive of these files, by name, in their order.
inline std::string stored_zip(const std::vector<std::pair<std::string, std::string>>& files, std::uint64_t flags = 0) {
  std::string bytes;
  std::string directory;
  for (const auto& [name, content] : files) {
    std::string fields;  // that both headers have: version, flags, method, time, date, CRC, sizes, lengths
    append_number(fields, 20, 2);
    append_number(fields, flags, 2);
    append_number(fields, 0, 6);
    append_number(fields, crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()), 4);
    append_number(fields, content.size(), 4);
    append_number(fields, content.size(), 4);
    append_number(fields, name.size(), 2);
    append_number(fields, 0, 2);
    directory += "PK\x01\x02";
    append_number(directory, 20, 2);
    directory += fields;
    append_number(directory, 0, 10);
    append_number(directory, bytes.size(), 4);
    directory += name;
    bytes += "PK\x03\x04" + fields + name + content;
  }
  const std::size_t begin = bytes.size();
  bytes += directory + "PK\x05\x06";
  append_number(bytes, 0, 4);
  append_number(bytes, files.size(), 2);
  append_number(bytes, files.size(), 2);
  append_number(bytes, directory.size(), 4);
  append_number(bytes, begin, 4);
  append_number(bytes, 0, 2);
  return bytes;
}

}  // namespace convmixer::testing_support

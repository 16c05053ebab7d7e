#include "convmixer/core/process_memory.hpp"

#include "convmixer/core/error.hpp"
#include "core/ascii.hpp"

#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace convmixer {
namespace {

/// Bytes of a line such as "VmHWM:     1234 kB"; nothing for another key.
std::optional<std::int64_t> bytes_of(std::string_view line, std::string_view key) {
  if (!line.starts_with(key)) return std::nullopt;
  line.remove_prefix(key.size());
  const auto kibibytes = take_number<std::int64_t>(line);
  return kibibytes ? std::optional(*kibibytes * 1024) : std::nullopt;
}

}  // namespace

ProcessMemory process_memory(const std::filesystem::path& status) {
  std::optional<std::int64_t> resident;
  std::optional<std::int64_t> peak;
  std::ifstream file(status);
  for (std::string line; std::getline(file, line);) {
    if (const auto bytes = bytes_of(line, "VmRSS:")) resident = bytes;
    if (const auto bytes = bytes_of(line, "VmHWM:")) peak = bytes;
  }
  if (!resident || !peak) {
    fail("{}: no VmRSS and VmHWM found, expected the process's memory and its peak", status.string());
  }
  return {*resident, *peak};
}

}  // namespace convmixer

/// What a path leads to. Nothing is thrown: what can't be looked at isn't there.
#pragma once

#include <filesystem>
#include <system_error>

namespace convmixer {

[[nodiscard]] inline bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

[[nodiscard]] inline bool is_file(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

}  // namespace convmixer

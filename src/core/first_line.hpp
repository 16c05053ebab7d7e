/// What the kernel says in files of one line: /sys, cgroups.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace convmixer {

/// Without the line's end; empty if the file can't be read.
[[nodiscard]] inline std::string first_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace convmixer

/// The beginning of every message about one tensor of a file.
#pragma once

#include "io/quoted.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <string>

namespace convmixer {

/// "FILE: tensor "NAME"".
[[nodiscard]] inline std::string tensor_place(const std::filesystem::path& path, const std::string& name) {
  return fmt::format("{}: tensor {}", path.string(), quoted(name));
}

}  // namespace convmixer

/// The files that a command is asked to write, looked at before the work.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace convmixer::tool {

/// A file that an option names; an empty path: the option isn't given.
struct OutputFile {
  std::string option;  ///< "json"
  std::filesystem::path path;
};

/// Throws Error unless every file can be written (require_writable); Error (usage) where two options name the same one,
/// or one is among `inputs`, what the command reads.
void require_outputs(std::span<const OutputFile> outputs, const std::vector<std::filesystem::path>& inputs);

}  // namespace convmixer::tool

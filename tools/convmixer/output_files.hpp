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
  std::string ending{};  ///< ".png": what its name has to end in; empty: anything
};

/// Throws Error unless every file can be written (require_writable); Error (usage) where a name ends otherwise than it
/// has to, where two options name the same file, and where one is what nobody means to overwrite: a run's own file
/// (is_file_of_run), one of `inputs`, what the command reads, or, where an input is a folder, an image in it and any
/// file in folders below it.
void require_outputs(std::span<const OutputFile> outputs, const std::vector<std::filesystem::path>& inputs);

/// The refusal of a file that a run keeps, and of one that the run in `folder` will.
void require_no_file_of_run(const OutputFile& output, const std::filesystem::path& folder = {});

}  // namespace convmixer::tool

/// The files that a command is asked to write, looked at before the work.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

/// A file that an option names; an empty path: the option isn't given.
struct OutputFile {
  std::string option;  ///< "json"
  std::filesystem::path path;
  std::string ending{};            ///< ".png": what its name has to end in; empty: anything
  std::filesystem::path folder{};  ///< that the command makes, before it writes what is in it; empty: none
};

/// Throws Error unless every file can be written (require_writable), but for those in a `folder` that isn't there yet;
/// Error (usage) for -, which isn't the standard output here, where a name ends otherwise than it has to, where two
/// options name the same file, and where one is what nobody means to overwrite: a run's own file (is_file_of_run), also
/// where it is a link, one of `inputs`, what the command reads, or, where an input is a folder, a file in it that may
/// hold images.
void require_outputs(std::span<const OutputFile> outputs, const std::vector<std::filesystem::path>& inputs);

/// The refusal of what is read alone.
void require_no_input(const OutputFile& output, const std::vector<std::filesystem::path>& inputs);
/// The refusal of a file that a run keeps, and of one that the run in `folder` will.
void require_no_file_of_run(const OutputFile& output, const std::filesystem::path& folder = {});

/// What is read of weights or of a run folder, by its path, and of `checkpoint` where that is a file.
[[nodiscard]] std::vector<std::filesystem::path> weights_read(const std::filesystem::path& argument,
                                                              const std::filesystem::path& checkpoint);

}  // namespace convmixer

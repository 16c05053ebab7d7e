/// Text that a user names on the command line.
#pragma once

#include <filesystem>
#include <string>

namespace convmixer {

/// Reads a whole text, of a file or of what a shell may put in its place: /dev/stdin, <(...), a named pipe, whose other
/// end is waited for. A byte order mark, with which editors on Windows begin files, is left out. Throws Error naming
/// the path and the system's reason, for a folder too; Error (usage) for UTF-16, which some of them write.
[[nodiscard]] std::string read_given_text(const std::filesystem::path& path);

}  // namespace convmixer

/// Whether a file is the same as before.
#pragma once

#include <filesystem>
#include <string>

namespace convmixer {

/// XXH3 (64 bits, hexadecimal) of a file's bytes. Throws Error naming a file that can't be read.
[[nodiscard]] std::string file_fingerprint(const std::filesystem::path& path);

}  // namespace convmixer

/// Where a path's symbolic links lead.
#pragma once

#include <filesystem>

namespace convmixer {

/// The name at the end of the chain of symbolic links that `path` begins, whether anything has it or not; `path` itself
/// where no link has that name. Links among its folders stay. Throws Error naming `path` for links in a circle,
/// and for those to what a process has open, as /dev/stdout is.
[[nodiscard]] std::filesystem::path link_target(const std::filesystem::path& path);

}  // namespace convmixer

/// What names a run to the pages that show it.
#pragma once

#include <filesystem>
#include <string>

namespace convmixer::tool {

/// Of the run at this place below the folder that is watched: the path itself, or percent-encoded where it has a '%' or
/// what isn't printable. Different paths have different ones. In an address it is encoded as any text is, once more.
[[nodiscard]] std::string run_id(const std::filesystem::path& place);

}  // namespace convmixer::tool

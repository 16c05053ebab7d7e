/// The page of runs as the build put it together (tools/cmake/EmbedRunPage.cmake).
#pragma once

#include <span>
#include <string_view>

namespace convmixer::tool {

/// Pieces of the page, in order; it has the places @CONNECT@ and @DOCUMENT@ to fill in.
[[nodiscard]] std::span<const std::string_view> run_page_text();

}  // namespace convmixer::tool

/// A page that shows runs: HTML in one piece, which asks nobody for anything.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace convmixer::tool {

/// Where a page is looked at.
enum class PageUse {
  file,    ///< anywhere: its policy lets it connect to nothing
  served,  ///< it may ask the server that it came from
};

/// The page that shows a document (document.md, run_document.hpp).
[[nodiscard]] std::string run_page(const nlohmann::ordered_json& document, PageUse use = PageUse::file);

/// JSON that may stand in a script element: what HTML could take for a tag or an entity is escaped, and all that isn't
/// ASCII; strings that are no UTF-8 are mended.
[[nodiscard]] std::string json_in_html(const nlohmann::ordered_json& json);

}  // namespace convmixer::tool

#include "run_page.hpp"

#include "run_page_text.hpp"

#include <cassert>
#include <string_view>

namespace convmixer::tool {
namespace {

/// Replaces the first place of this name.
void fill_in(std::string& text, std::string_view place, std::string_view with) {
  const std::size_t at = text.find(place);
  assert(at != std::string::npos);
  text.replace(at, place.size(), with);
}

}  // namespace

std::string json_in_html(const nlohmann::ordered_json& json) {
  const std::string plain = json.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
  std::string text;
  text.reserve(plain.size());
  for (const char c : plain) {
    switch (c) {
      case '<':
        text += "\\u003c";
        break;  // "</script>", "<!--"
      case '>':
        text += "\\u003e";
        break;
      case '&':
        text += "\\u0026";
        break;
      default:
        text += c;
    }
  }
  return text;
}

std::string run_page(const nlohmann::ordered_json& document, PageUse use) {
  std::string page;
  for (const std::string_view piece : run_page_text()) page += piece;
  fill_in(page, "@CONNECT@", use == PageUse::served ? "; connect-src 'self'" : "");
  fill_in(page, "@DOCUMENT@", json_in_html(document));
  return page;
}

}  // namespace convmixer::tool

#include "watch/run_id.hpp"

#include "convmixer/core/printable.hpp"
#include "http/target.hpp"

namespace convmixer::tool {

std::string run_id(const std::filesystem::path& place) {
  const std::string& text = place.native();
  const bool is_plain = text == printable(text) && text.find('%') == std::string::npos;
  return is_plain ? text : http::percent_encoded(text);
}

}  // namespace convmixer::tool

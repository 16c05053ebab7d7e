#include "csv.hpp"

#include "convmixer/core/printable.hpp"

namespace convmixer::tool {

std::string csv_field(std::string_view text) {
  const std::string field = to_utf8(text);
  const bool blank_at_an_end = !field.empty() && (field.front() == ' ' || field.back() == ' ');
  if (!blank_at_an_end && field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (const char character : field) {
    if (character == '"') quoted += '"';
    quoted += character;
  }
  return quoted + '"';
}

}  // namespace convmixer::tool

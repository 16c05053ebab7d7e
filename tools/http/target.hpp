/// The address in a request, taken apart.
#pragma once

#include "http/message.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace convmixer::http {

/// "/run?id=a%20b" as path and query. Nothing for what no browser asks for: another form than "/...", '%' without two
/// hexadecimal digits, control characters (NUL among them) or backslashes, encoded or not, and "." or ".." between
/// slashes, encoded or not, in the path.
[[nodiscard]] std::optional<Request> parse_target(std::string_view target);

/// Any bytes as part of an address: letters, digits and "-._~" as they are, others as %XX.
[[nodiscard]] std::string percent_encoded(std::string_view bytes);

}  // namespace convmixer::http

/// Values with commas between them: RFC 4180, in UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace convmixer::tool {

/// A text as one field: in quotes where a comma, a quote, a line's end or a blank at either end is in it. Bytes that
/// are no UTF-8 are escaped as in JSON ("\xff").
[[nodiscard]] std::string csv_field(std::string_view text);

}  // namespace convmixer::tool

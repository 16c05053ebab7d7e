/// How much room text takes on a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace convmixer::tool {

/// Columns of a text that is printable() UTF-8: two for a wide character of East Asia or an emoji, one for any other.
[[nodiscard]] std::size_t columns_of(std::string_view text);

/// As much of the text, from its beginning, as fits into so many columns.
[[nodiscard]] std::string beginning_of(std::string_view text, std::size_t columns);

/// The text, or its beginning and ".." if it takes more columns than there are.
[[nodiscard]] std::string cut_to_columns(std::string_view text, std::size_t columns);

/// The text and blanks to its right up to so many columns.
[[nodiscard]] std::string padded_to_columns(std::string_view text, std::size_t columns);

}  // namespace convmixer::tool

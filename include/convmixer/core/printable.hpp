/// Names of files and what else comes from outside, in messages and in formats that are UTF-8: they may hold any bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace convmixer {

/// The text as it may be printed on a terminal, in one line: control characters, those that turn the direction of
/// writing, and bytes that are no UTF-8 are escaped as in C ("\n", "\x1b", "\u202e"). What is beyond `most_bytes`
/// becomes "...".
[[nodiscard]] std::string printable(std::string_view text, std::size_t most_bytes = 2000);

/// The text with bytes that are no UTF-8 escaped ("\xff"); all else as it is. For JSON, whose strings are UTF-8.
[[nodiscard]] std::string to_utf8(std::string_view text);

}  // namespace convmixer

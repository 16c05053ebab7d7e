/// Text that machines write and read: letters, blanks and numbers of ASCII, whatever the locale of the program that
/// uses the library (std::tolower, std::isspace, streams and std::stod follow it).
#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace convmixer {

[[nodiscard]] constexpr bool is_ascii_space(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

[[nodiscard]] constexpr char ascii_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Takes blanks and a number after them off the beginning of `text`; leaves it as it is, and returns nothing, if there
/// is no number.
template <typename Number>
[[nodiscard]] std::optional<Number> take_number(std::string_view& text) {
  const auto* const begin = std::find_if_not(text.begin(), text.end(), is_ascii_space);
  Number number{};
  const auto [rest, error] = std::from_chars(begin, text.end(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(rest - text.begin()));
  return number;
}

}  // namespace convmixer

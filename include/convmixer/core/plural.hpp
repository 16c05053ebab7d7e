/// Nouns after numbers: "1 step", "20 steps".
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace convmixer {

/// The noun for so many: `one` for 1, else `many`, which is `one` with an s unless it is given.
template <typename Number>
[[nodiscard]] std::string plural(Number count, std::string_view one, std::string_view many = {}) {
  if (count == Number{1}) return std::string(one);
  return many.empty() ? std::string(one) + "s" : std::string(many);
}

/// The number and its noun: counted(1, "class", "classes") is "1 class".
template <typename Number>
[[nodiscard]] std::string counted(Number count, std::string_view one, std::string_view many = {}) {
  return fmt::format("{} {}", count, plural(count, one, many));
}

}  // namespace convmixer

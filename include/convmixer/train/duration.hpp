/// Durations as people write them: "2h", "1h30m", "90s".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace convmixer {

/// Seconds of whole numbers with units d, h, m, s, each at most once and from large to small, or of one plain number of
/// seconds. Nothing for any other text, and for more than 10 years.
[[nodiscard]] std::optional<std::int64_t> parse_duration(std::string_view text);

/// The shortest text that parse_duration reads back: "1h30m", "45s", "0s".
[[nodiscard]] std::string format_duration(std::int64_t seconds);

/// For people: the two largest units, rounded: "4.5s", "45s", "7m05s", "1h02m", "3d04h"; "?" for what is no time.
[[nodiscard]] std::string format_time_left(double seconds);

}  // namespace convmixer

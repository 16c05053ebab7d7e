#include "convmixer/train/duration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace convmixer {
namespace {

struct Unit {
  char letter;
  std::int64_t seconds;
};

constexpr std::array<Unit, 4> kUnits{{{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}}};
constexpr std::int64_t kLongest = 3650 * 86400LL;

}  // namespace

std::optional<std::int64_t> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::int64_t total = 0;
  const Unit* largest_allowed = kUnits.data();
  const Unit* const end = kUnits.data() + kUnits.size();
  bool first = true;
  while (!text.empty()) {
    std::int64_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || number < 0 || number > kLongest || text.front() == '-') return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    if (text.empty()) {
      // A number without a unit means seconds, and only alone: "1h30" could be minutes or seconds.
      if (!first) return std::nullopt;
      return number;
    }
    const Unit* const unit =
        std::find_if(largest_allowed, end, [&](const Unit& candidate) { return candidate.letter == text.front(); });
    if (unit == end) return std::nullopt;
    total += number * unit->seconds;
    if (total > kLongest) return std::nullopt;
    text.remove_prefix(1);
    largest_allowed = unit + 1;
    first = false;
  }
  return total;
}

std::string format_duration(std::int64_t seconds) {
  std::string text;
  for (const Unit& unit : kUnits) {
    if (const std::int64_t number = seconds / unit.seconds; number > 0) {
      text += fmt::format("{}{}", number, unit.letter);
      seconds %= unit.seconds;
    }
  }
  return text.empty() ? "0s" : text;
}

std::string format_time_left(double seconds) {
  if (!(seconds >= 0.0) || !std::isfinite(seconds)) return "?";
  constexpr double kTenthsShownBelow = 9.95;
  if (seconds < kTenthsShownBelow) return fmt::format("{:.1f}s", seconds);
  const auto in = [seconds](double unit) { return std::llround(std::min(seconds, 1e12) / unit); };
  if (in(1.0) < 60) return fmt::format("{}s", in(1.0));
  if (in(1.0) < 3600) return fmt::format("{}m{:02}s", in(1.0) / 60, in(1.0) % 60);
  if (const auto minutes = in(60.0); minutes < 24 * 60) return fmt::format("{}h{:02}m", minutes / 60, minutes % 60);
  return fmt::format("{}d{:02}h", in(3600.0) / 24, in(3600.0) % 24);
}

}  // namespace convmixer

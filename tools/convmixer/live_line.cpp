#include "live_line.hpp"

#include "convmixer/core/standard_streams.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <utility>

namespace convmixer::tool {
namespace {

constexpr double kLiveInterval = 0.1;
constexpr double kPlainInterval = 30.0;

ProgressMode mode_on(const Terminal& terminal, ProgressMode mode) {
  if (mode != ProgressMode::automatic) return mode;
  return terminal.live ? ProgressMode::live : ProgressMode::none;
}

}  // namespace

LiveLine::LiveLine(ProgressMode mode, std::function<double()> clock)
    : mode_(mode_on(detect_terminal(stderr), mode)),
      clock_(std::move(clock)),
      terminal_(detect_terminal(stderr)),
      last_update_(mode_ == ProgressMode::live ? -std::numeric_limits<double>::infinity() : clock_()) {}

void LiveLine::update(const std::function<std::string()>& text) {
  if (mode_ == ProgressMode::none) return;
  const double now = clock_();
  if (now - last_update_ < (mode_ == ProgressMode::live ? kLiveInterval : kPlainInterval)) return;
  last_update_ = now;
  if (mode_ == ProgressMode::plain) {
    write_text(stderr, text() + "\n", true);
    return;
  }
  // A character in the last column would make some terminals begin a new line.
  const auto width = static_cast<std::size_t>(std::max(1, resized(terminal_, stderr).columns - 1));
  display_.draw(std::array{text().substr(0, width)});
}

}  // namespace convmixer::tool

#include "live_line.hpp"

#include "convmixer/core/standard_streams.hpp"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <utility>

namespace convmixer::tool {
namespace {

constexpr double kInterval = 0.1;
constexpr std::string_view kStartOfClearedLine = "\r\x1b[K";

}  // namespace

LiveLine::LiveLine(std::function<double()> clock)
    : clock_(std::move(clock)),
      terminal_(detect_terminal(stderr)),
      last_update_(-std::numeric_limits<double>::infinity()) {}

LiveLine::~LiveLine() { clear(); }

void LiveLine::update(const std::function<std::string()>& text) {
  if (!terminal_.live) return;
  const double now = clock_();
  if (now - last_update_ < kInterval) return;
  last_update_ = now;
  // A character in the last column would make some terminals begin a new line.
  const auto width = static_cast<std::size_t>(std::max(1, detect_terminal(stderr).columns - 1));
  write_text(stderr, std::string(kStartOfClearedLine) + text().substr(0, width), true);
  drawn_ = true;
}

void LiveLine::clear() {
  if (drawn_) write_text(stderr, kStartOfClearedLine, true);
  drawn_ = false;
}

}  // namespace convmixer::tool

#include "convmixer/core/live_display.hpp"

#include "convmixer/core/standard_streams.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <atomic>
#include <string_view>
#include <unistd.h>

namespace convmixer {
namespace {

constexpr std::string_view kErase = "\r\x1b[J";  // to the end of the screen
constexpr std::string_view kCut = "\x1b[?7l";    // what is wider than the terminal is cut, not wrapped
constexpr std::string_view kWrap = "\x1b[?7h";
// Terminals take a vertical tab as a line feed. Standard output doesn't: it would write what is before it by itself,
// and a signal's message could come in between.
constexpr std::string_view kNextLine = "\r\v";
constexpr int kNowhere = -2;

// A signal handler can reach nothing but globals. Set while the cursor rests where lines are drawn or will be next.
std::atomic<int> drawn_on{kNowhere};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not lock");

bool is_in_background(int descriptor) {
  const pid_t foreground = ::tcgetpgrp(descriptor);
  return foreground > 0 && foreground != ::getpgrp();
}

}  // namespace

LiveDisplay::~LiveDisplay() {
  erase();
  drawn_on = kNowhere;
}

void LiveDisplay::draw(std::span<const std::string> lines) {
  const int descriptor = ::fileno(file_);
  if (lines.empty() || is_in_background(descriptor)) return;
  const std::string back = lines.size() > 1 ? fmt::format("\x1b[{}A", lines.size() - 1) : "";
  is_drawn_ = true;
  drawn_on = descriptor;  // a signal may come while it is written
  write_text(file_, fmt::format("{}{}{}{}\r{}", kErase, kCut, fmt::join(lines, kNextLine), back, kWrap), true);
}

void LiveDisplay::erase() {
  if (!is_drawn_) return;
  is_drawn_ = false;
  if (drawn_on == kNowhere) return;  // erased by a signal
  write_text(file_, kErase, true);
}

bool erase_live_display() noexcept {
  const int descriptor = drawn_on.exchange(kNowhere);
  if (descriptor == kNowhere) return false;
  if (is_writable(descriptor, 0)) [[maybe_unused]]
    const ssize_t ignored = ::write(descriptor, kErase.data(), kErase.size());
  return true;
}

}  // namespace convmixer

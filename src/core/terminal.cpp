#include "convmixer/core/terminal.hpp"

#include "core/ascii.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>

namespace convmixer {
namespace {

std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

/// Whether the locale, as the environment names it, has text in UTF-8. LC_ALL goes before LC_CTYPE, which goes before
/// LANG (POSIX, "Environment Variables").
bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string_view value = variable(name);
    if (value.empty()) continue;
    std::string lower(value);
    std::ranges::transform(lower, lower.begin(), ascii_lower);
    return lower.find("utf-8") != std::string::npos || lower.find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace

Terminal resized(Terminal terminal, std::FILE* file) {
  winsize size{};
  if (::ioctl(::fileno(file), TIOCGWINSZ, &size) != 0) return terminal;
  if (size.ws_col > 0) terminal.columns = size.ws_col;
  if (size.ws_row > 0) terminal.rows = size.ws_row;
  return terminal;
}

Terminal detect_terminal(std::FILE* file) {
  const std::string_view name = variable("TERM");
  Terminal terminal;
  terminal.live = ::isatty(::fileno(file)) == 1 && !name.empty() && name != "dumb";
  terminal.colour = terminal.live && variable("NO_COLOR").empty();
  // The console's font has but two or three of the blocks.
  terminal.blocks = terminal.live && name != "linux" && locale_is_utf8();
  return resized(terminal, file);
}

}  // namespace convmixer

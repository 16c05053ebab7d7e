#include "convmixer/train/progress.hpp"

#include "convmixer/core/standard_streams.hpp"

#include <cstdlib>
#include <limits>
#include <sys/ioctl.h>
#include <unistd.h>

namespace convmixer {
namespace {

constexpr double kLiveInterval = 0.1;
constexpr double kPlainInterval = 30.0;
constexpr std::string_view kStartOfClearedLine = "\r\x1b[K";

/// Width of the terminal that a file is; `otherwise` if it is none or won't say.
int terminal_columns(std::FILE* file, int otherwise) {
  winsize size{};
  if (::ioctl(::fileno(file), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return otherwise;
  return size.ws_col;
}

}  // namespace

Terminal detect_terminal(std::FILE* file) {
  const char* const name = std::getenv("TERM");
  const char* const no_colour = std::getenv("NO_COLOR");
  Terminal terminal;
  terminal.live = ::isatty(::fileno(file)) == 1 && name != nullptr && std::string_view(name) != "dumb";
  terminal.colour = terminal.live && (no_colour == nullptr || *no_colour == '\0');
  terminal.columns = terminal_columns(file, terminal.columns);
  return terminal;
}

Progress::Progress(std::FILE* file, const Terminal& terminal, std::function<double()> clock)
    : file_(file),
      terminal_(terminal),
      clock_(std::move(clock)),
      last_update_(terminal.live ? -std::numeric_limits<double>::infinity() : clock_()) {}

Progress::~Progress() { clear_live_line(); }

void Progress::update(const ProgressView& view) {
  if (file_ == nullptr) return;
  const double now = clock_();
  if (now - last_update_ < (terminal_.live ? kLiveInterval : kPlainInterval)) return;
  last_update_ = now;
  if (!terminal_.live) {
    write_text(file_, format_plain_line(view) + "\n", true);
    return;
  }
  // A character in the last column would make some terminals begin a new line.
  const int columns = terminal_columns(file_, terminal_.columns) - 1;
  write_text(file_, std::string(kStartOfClearedLine) + format_live_line(view, columns, terminal_.colour), true);
  line_drawn_ = true;
}

void Progress::print(std::string_view lines) {
  if (file_ == nullptr) return;
  clear_live_line();
  write_text(file_, std::string(lines) + "\n", true);
}

void Progress::print_epoch(const EpochRecord& record, std::int64_t epochs, bool best, double run_seconds_left) {
  print(format_epoch_line(record, epochs, best, run_seconds_left, std::time(nullptr), terminal_.colour));
}

void Progress::clear_live_line() {
  if (line_drawn_) write_text(file_, kStartOfClearedLine, true);
  line_drawn_ = false;
}

}  // namespace convmixer

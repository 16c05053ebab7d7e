#include "convmixer/train/progress.hpp"

#include "convmixer/core/standard_streams.hpp"

#include <limits>
#include <utility>
#include <vector>

namespace convmixer {
namespace {

constexpr double kLiveInterval = 0.1;
constexpr double kPlainInterval = 30.0;

Terminal in_mode(Terminal terminal, ProgressMode mode) {
  if (mode == ProgressMode::plain) terminal.live = terminal.colour = terminal.blocks = false;
  return terminal;
}

}  // namespace

Progress::Progress(std::FILE* file, const Terminal& terminal, std::function<double()> clock, ProgressMode mode)
    : file_(file),
      mode_(mode),
      terminal_(in_mode(terminal, mode)),
      clock_(std::move(clock)),
      last_update_(terminal_.live ? -std::numeric_limits<double>::infinity() : clock_()),
      display_(file) {}

bool Progress::is_live() const noexcept { return file_ != nullptr && mode_ != ProgressMode::none && terminal_.live; }

void Progress::update(const ProgressView& view) {
  if (file_ == nullptr || mode_ == ProgressMode::none) return;
  const double now = clock_();
  if (now - last_update_ < (terminal_.live ? kLiveInterval : kPlainInterval)) return;
  last_update_ = now;
  if (terminal_.live) {
    draw(view);
  } else {
    write_text(file_, format_plain_line(view) + "\n", true);
  }
}

void Progress::draw(const ProgressView& view) {
  const Terminal terminal = resized(terminal_, file_);
  // A character in the last column would make some terminals begin a new line.
  std::vector<std::string> lines{format_live_line(view, terminal.columns - 1, terminal.colour)};
  if (view.curves != nullptr) lines.push_back(format_curves(*view.curves, terminal));
  if (lines.back().empty()) lines.pop_back();
  display_.draw(lines);
}

void Progress::print(std::string_view lines) {
  if (file_ == nullptr) return;
  display_.erase();
  write_text(file_, std::string(lines) + "\n", true);
}

void Progress::print_epoch(const EpochRecord& record, std::int64_t epochs, bool best, double run_seconds_left) {
  if (mode_ == ProgressMode::none) return;
  print(format_epoch_line(record, epochs, best, run_seconds_left, std::time(nullptr), terminal_.colour));
}

}  // namespace convmixer

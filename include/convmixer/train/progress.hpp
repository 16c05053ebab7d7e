/// What a training prints while it runs: one live line on a terminal, plain lines now and then elsewhere.
#pragma once

#include "convmixer/core/live_display.hpp"
#include "convmixer/core/terminal.hpp"
#include "convmixer/train/metrics_file.hpp"
#include "convmixer/train/run_curves.hpp"

#include <cstdint>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>

namespace convmixer {

/// What is shown while something works.
enum class ProgressMode {
  automatic,  ///< live on a terminal, plain elsewhere
  live,       ///< a line that is drawn over itself, and curves below it where there is room
  plain,      ///< lines now and then, without colours
  none,       ///< nothing: only how it begins and ends
};

/// Where a training stands, in numbers: filled in at every step, made into text only when a line is due.
struct ProgressView {
  bool evaluating = false;
  bool holdout = false;         ///< evaluating: held-out images, not those of the test
  bool between_epochs = false;  ///< evaluating: after an epoch whose means are no more
  std::int64_t epoch = 0;       ///< from 1
  std::int64_t epochs = 0;
  std::int64_t done = 0;   ///< steps of the epoch, or images of the evaluation
  std::int64_t total = 0;  ///< so many there are
  int image_size = 0;      ///< of the epoch's training images; 0: not worth telling
  double images_per_second = 0.0;
  double wait_share = 0.0;  ///< of the epoch's time that went into waiting for data
  double loss = 0.0;        ///< means over the epoch so far
  double accuracy = 0.0;
  double epoch_seconds_left = 0.0;    ///< its evaluation included
  double run_seconds_left = 0.0;      ///< all evaluations included
  const RunCurves* curves = nullptr;  ///< of the run so far; nullptr: not known
};

/// The line of a view, at most `columns` wide: what matters least is left out first. Colours take no width.
[[nodiscard]] std::string format_live_line(const ProgressView& view, int columns, bool colour);
/// The curves of a run, each with the values that it begins and ends with, at most so wide as the terminal's columns
/// but one; empty where there is no room, or nothing to show yet.
[[nodiscard]] std::string format_curves(const RunCurves& curves, const Terminal& terminal);
/// The same as the live line for a log: everything, no colours.
[[nodiscard]] std::string format_plain_line(const ProgressView& view);
/// The line that stays of an epoch. `run_seconds_left` < 0: it was the last. `now` is the time on the clock.
[[nodiscard]] std::string format_epoch_line(const EpochRecord& record, std::int64_t epochs, bool best,
                                            double run_seconds_left, std::time_t now, bool colour);

/// The line that stays of the test set's evaluation at a run's end.
[[nodiscard]] std::string format_test_line(const TestRecord& record);

/// Prints them. A write that fails is no reason to end a training; require_output_written() tells of it at the end.
class Progress {
 public:
  /// `file` nullptr: prints nothing. `clock` gives seconds from any moment on.
  Progress(std::FILE* file, const Terminal& terminal, std::function<double()> clock,
           ProgressMode mode = ProgressMode::automatic);

  /// Whether live lines are drawn.
  [[nodiscard]] bool is_live() const noexcept;
  /// As it is in this mode: a plain one isn't live.
  [[nodiscard]] const Terminal& terminal() const noexcept { return terminal_; }

  /// Draws live lines (at most ten times a second), or prints a plain one (every half minute).
  void update(const ProgressView& view);
  /// Prints lines that stay.
  void print(std::string_view lines);
  /// Prints the epoch's line, unless nothing is to be shown between beginning and end.
  void print_epoch(const EpochRecord& record, std::int64_t epochs, bool best, double run_seconds_left);

 private:
  void draw(const ProgressView& view);

  std::FILE* file_;
  ProgressMode mode_;
  Terminal terminal_;
  std::function<double()> clock_;
  double last_update_;
  LiveDisplay display_;
};

}  // namespace convmixer

/// What a training prints while it runs: one live line on a terminal, plain lines now and then elsewhere.
#pragma once

#include "convmixer/train/metrics_file.hpp"

#include <cstdint>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>

namespace convmixer {

/// How lines may look where they go.
struct Terminal {
  bool live = false;    ///< a line may be drawn over the one before
  bool colour = false;  ///< colours may be used: NO_COLOR is not set (https://no-color.org)
  int columns = 80;
};

/// A file that is no terminal, or a terminal named "dumb", gets neither live lines nor colours.
[[nodiscard]] Terminal detect_terminal(std::FILE* file);

/// Where a training stands, in numbers: filled in at every step, made into text only when a line is due.
struct ProgressView {
  bool evaluating = false;
  bool holdout = false;    ///< evaluating: held-out images, not those of the test
  bool at_end = false;     ///< evaluating: once, after the last epoch, whose means are no more
  std::int64_t epoch = 0;  ///< from 1
  std::int64_t epochs = 0;
  std::int64_t done = 0;   ///< steps of the epoch, or images of the evaluation
  std::int64_t total = 0;  ///< so many there are
  int image_size = 0;      ///< of the epoch's training images; 0: not worth telling
  double images_per_second = 0.0;
  double wait_share = 0.0;  ///< of the epoch's time that went into waiting for data
  double loss = 0.0;        ///< means over the epoch so far
  double accuracy = 0.0;
  double epoch_seconds_left = 0.0;  ///< its evaluation included
  double run_seconds_left = 0.0;    ///< all evaluations included
};

/// The line of a view, at most `columns` wide: what matters least is left out first. Colours take no width.
[[nodiscard]] std::string format_live_line(const ProgressView& view, int columns, bool colour);
/// The same for a log: everything, no colours.
[[nodiscard]] std::string format_plain_line(const ProgressView& view);
/// The line that stays of an epoch. `run_seconds_left` < 0: it was the last. `now` is the time on the clock.
[[nodiscard]] std::string format_epoch_line(const EpochRecord& record, std::int64_t epochs, bool best,
                                            double run_seconds_left, std::time_t now, bool colour);

/// The line that stays of the test set's evaluation at a run's end.
[[nodiscard]] std::string format_test_line(const TestRecord& record);

/// Prints them. A write that fails is no reason to end a training; standard_output_failure() tells of it at the end.
class Progress {
 public:
  /// `file` nullptr: prints nothing. `clock` gives seconds from any moment on.
  Progress(std::FILE* file, const Terminal& terminal, std::function<double()> clock);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  [[nodiscard]] const Terminal& terminal() const noexcept { return terminal_; }

  /// Draws the live line (at most ten times a second), or prints a plain one (every half minute).
  void update(const ProgressView& view);
  /// Prints lines that stay.
  void print(std::string_view lines);
  void print_epoch(const EpochRecord& record, std::int64_t epochs, bool best, double run_seconds_left);

 private:
  void clear_live_line();

  std::FILE* file_;
  Terminal terminal_;
  std::function<double()> clock_;
  double last_update_;
  bool line_drawn_ = false;
};

}  // namespace convmixer

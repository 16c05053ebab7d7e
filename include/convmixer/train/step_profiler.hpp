/// Records a window of a training's steps: a trace of all threads, of all ranks, and a table by operation.
#pragma once

#include "convmixer/core/trace.hpp"
#include "convmixer/dist/communicator.hpp"
#include "convmixer/train/progress.hpp"

#include <cstdint>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

namespace convmixer {

struct ProfileOptions {
  std::filesystem::path file;  ///< of the trace, in Chrome's format
  std::int64_t skip = 10;      ///< steps before the window, since the process began: caches, threads and clock warm up
  std::int64_t steps = 20;     ///< in the window; what lies between two of them (an evaluation, a save) is recorded too
};

/// The name of the track of the thread that trains.
inline constexpr const char* kTrainingThread = "training";

/// One window of one training. Used from the thread that trains. Where several ranks do, each has one with the same
/// window: all begin it together, and rank 0 writes the file, in which each rank is a process.
class StepProfiler {
 public:
  /// `threads` is how many there will be at most besides the one that trains. `notes` go into the trace's head.
  /// `ranks` are those that train together (Engine::ranks()). `progress` and `ranks` must outlive the profiler.
  /// Throws Error (usage) for numbers of steps out of range.
  StepProfiler(ProfileOptions options, int threads, std::map<std::string, std::string> notes, Progress& progress,
               Communicator& ranks);

  /// Throws Error (usage) if the window ends beyond the last of `steps_left` steps.
  void require_within(std::int64_t steps_left) const;

  /// Around every step, waiting for its batch included. `step` counts the steps of the run with this one.
  void before_step();
  void after_step(std::int64_t step);

  /// When the training has ended: ends a window that is still open. Throws what went wrong when the file was written,
  /// which didn't keep the training from going on, and Error if the training ended before the window began.
  void finish();

 private:
  void end_window();

  ProfileOptions options_;
  int threads_;
  std::map<std::string, std::string> notes_;
  Progress& progress_;
  Communicator& ranks_;
  std::int64_t seen_ = 0;      // steps since the process began
  std::int64_t recorded_ = 0;  // whole steps
  std::int64_t last_step_ = 0;
  std::unique_ptr<TraceRecording> recording_;
  bool written_ = false;
  std::exception_ptr error_;
};

/// The table of a trace of `steps` steps: time by operation on the thread that trains, per step and as a share, and on
/// the other threads; each thread's share of time in spans.
[[nodiscard]] std::string format_profile(const Trace& trace, std::int64_t steps);

}  // namespace convmixer

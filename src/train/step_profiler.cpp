#include "convmixer/train/step_profiler.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "train/ranks_trace.hpp"

#include <algorithm>
#include <utility>

namespace convmixer {
namespace {

/// Room for a step's spans on one thread: ten times what the deepest networks have. Untouched room costs nothing.
constexpr std::int64_t kSpansPerStep = 16384;
constexpr std::int64_t kMostSteps = 1'000'000'000;
constexpr std::int64_t kMostSpans = std::int64_t{1} << 22;

}  // namespace

StepProfiler::StepProfiler(ProfileOptions options, int threads, std::map<std::string, std::string> notes,
                           Progress& progress, Communicator& ranks)
    : options_(std::move(options)), threads_(threads), notes_(std::move(notes)), progress_(progress), ranks_(ranks) {
  if (options_.skip < 0 || options_.steps < 1 || options_.skip > kMostSteps || options_.steps > kMostSteps) {
    fail_usage("profile: {} after {}, expected 1 to {} after 0 to {}", counted(options_.steps, "step"), options_.skip,
               kMostSteps, kMostSteps);
  }
}

void StepProfiler::require_within(std::int64_t steps_left) const {
  if (options_.skip + options_.steps <= steps_left) return;
  if (steps_left <= 0) fail_usage("--profile: the training is finished, no steps are left to record");
  fail_usage(
      "--profile: {} after {} to warm up end beyond the training's end, {} from here; expected a "
      "--profile-skip and --profile-steps of at most {} together",
      counted(options_.steps, "step"), options_.skip, counted(steps_left, "step"), steps_left);
}

void StepProfiler::before_step() {
  if (seen_ == options_.skip && !recording_ && !written_) {
    recording_ = record_on_all(ranks_, threads_ + 1, std::min(options_.steps * kSpansPerStep, kMostSpans));
  }
}

void StepProfiler::after_step(std::int64_t step) {
  ++seen_;
  if (!recording_) return;
  last_step_ = step;
  if (++recorded_ == options_.steps) end_window();
}

void StepProfiler::finish() {
  if (recording_ && recorded_ > 0) end_window();
  recording_.reset();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  if (!written_) {
    fail("{}: no profile was written: the training ended after {}, before the first one to be recorded",
         options_.file.string(), counted(seen_, "step"));
  }
}

void StepProfiler::end_window() {
  const Trace trace = recording_->finish();
  recording_.reset();
  written_ = true;
  std::map<std::string, std::string> notes = notes_;
  notes["first_step"] = fmt::format("{}", last_step_ - recorded_ + 1);
  notes["last_step"] = fmt::format("{}", last_step_);
  const std::string text = trace_of_ranks(ranks_, trace, notes);
  if (ranks_.rank() > 0) return;
  try {
    write_file_atomically(options_.file, text);
  } catch (const Error& error) {
    error_ = std::current_exception();
    progress_.print(fmt::format("profile: {}", printable(error.what())));
    return;
  }
  const bool is_alone = ranks_.size() == 1;
  progress_.print(fmt::format("profile of steps {} to {}{}{}; trace{} for ui.perfetto.dev and chrome://tracing: {}\n{}",
                              last_step_ - recorded_ + 1, last_step_, is_alone ? "" : " on rank 0",
                              recorded_ < options_.steps ? " (the training ended)" : "",
                              is_alone ? "" : fmt::format(" of all {} ranks", ranks_.size()),
                              printable(options_.file.native()), format_profile(trace, recorded_)));
}

}  // namespace convmixer

/// Ctrl-C and its like as a request that the training loop honours at the end of a step.
#pragma once

namespace convmixer {

/// While an object lives, the first SIGINT, SIGTERM or SIGHUP is only noted (and said on stderr); a second one of any
/// kind ends the process at once, as the signal does by default. SIGHUP stays ignored if it was (nohup); SIGINT does
/// not: scripts start background jobs with it ignored, and mean it when they send it. One object at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// Number of the signal that came; 0: none so far.
  [[nodiscard]] static int received() noexcept;
};

}  // namespace convmixer

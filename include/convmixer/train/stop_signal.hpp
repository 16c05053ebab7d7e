/// Ctrl-C and its like: as a request that the training loop honours at the end of a step, or as the end of the process.
/// What is drawn live (core/live_display.hpp) is erased first.
#pragma once

namespace convmixer {

/// Whether this process says on stderr what a signal makes it do, which it does unless told otherwise: of several that
/// train together, and all get the signal, one is enough.
void tell_of_signals(bool tells) noexcept;

/// While an object lives, SIGINT, SIGTERM, SIGHUP and SIGUSR1 (the one that mpirun passes on to all ranks and leaves
/// them time to follow) end the process at once, as they do by default, but leave no temporary files, and end the first
/// process of a container too, which the system's default action doesn't. SIGHUP stays ignored if it was (nohup);
/// SIGINT does not: scripts start background jobs with it ignored, and mean it when they send it. For programs, from
/// the beginning of main on. One object at a time.
class EndBySignal {
 public:
  EndBySignal();
  ~EndBySignal();
  EndBySignal(const EndBySignal&) = delete;
  EndBySignal& operator=(const EndBySignal&) = delete;
};

/// While an object lives, the first of these signals is only noted (and said on stderr); a second one of any kind ends
/// the process at once, as above. One object at a time; it may live within an EndBySignal's life.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// Number of the signal that came; 0: none so far.
  [[nodiscard]] static int received() noexcept;
};

/// While an object lives, Ctrl-Z (SIGTSTP) stops the process as it does by default, with what is drawn live erased; it
/// is drawn again when the process goes on in the foreground. An ignored SIGTSTP stays ignored. One object at a time.
class PauseBySignal {
 public:
  PauseBySignal();
  ~PauseBySignal();
  PauseBySignal(const PauseBySignal&) = delete;
  PauseBySignal& operator=(const PauseBySignal&) = delete;
};

}  // namespace convmixer

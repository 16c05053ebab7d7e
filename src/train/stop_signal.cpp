#include "convmixer/train/stop_signal.hpp"

#include "convmixer/core/live_display.hpp"
#include "convmixer/core/standard_streams.hpp"
#include "core/temporary_file.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <unistd.h>

namespace convmixer {
namespace {

constexpr std::array<int, 4> kSignals{SIGINT, SIGTERM, SIGHUP, SIGUSR1};
constexpr std::string_view kNotice = "stopping after this step and saving; once more to stop at once\n";

using Actions = std::array<struct sigaction, kSignals.size()>;

// A signal handler can reach nothing but globals.
std::atomic<int> received_signal{0};
std::atomic<bool> is_telling{true};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free,
              "a signal handler may not lock");
Actions before_end{};
Actions before_stop{};
struct sigaction before_pause {};

void say(std::string_view text) {
  if (!is_telling || !is_writable(STDERR_FILENO, 0)) return;
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

/// "convmixer: ", on a line of its own: the terminal has put a "^C" where the cursor was.
void begin_line() {
  if (!erase_live_display()) say("\n");
  say(program_invocation_short_name);
  say(": ");
}

std::string_view name_of(int signal) {
  if (signal == SIGINT) return "SIGINT\n";
  if (signal == SIGTERM) return "SIGTERM\n";
  return signal == SIGHUP ? "SIGHUP\n" : "SIGUSR1\n";
}

void end_process(int signal) {
  remove_temporary_files_of_this_process();
  begin_line();
  say("ended by ");
  say(name_of(signal));
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  ::sigaction(signal, &by_default, nullptr);
  sigset_t own;
  ::sigemptyset(&own);
  ::sigaddset(&own, signal);
  ::raise(signal);
  ::pthread_sigmask(SIG_UNBLOCK, &own, nullptr);  // ends here, but for the first process of a container
  ::_exit(128 + signal);
}

void note_signal(int signal) {
  const int number_of_error = errno;
  if (int none = 0; !received_signal.compare_exchange_strong(none, signal)) end_process(signal);
  stop_waiting_for_readers();
  begin_line();
  say(kNotice);
  errno = number_of_error;
}

void pause_process(int signal) {
  const int number_of_error = errno;
  erase_live_display();
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  struct sigaction again {};
  ::sigaction(signal, &by_default, &again);
  sigset_t just_this;
  ::sigemptyset(&just_this);
  ::sigaddset(&just_this, signal);
  ::raise(signal);
  ::pthread_sigmask(SIG_UNBLOCK, &just_this, nullptr);  // is stopped here, until it goes on
  ::sigaction(signal, &again, nullptr);
  errno = number_of_error;
}

void install(void (*handler)(int), Actions& previous) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = 0;  // a write that waits for its reader gives up
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], nullptr, &previous[i]);
    const bool under_nohup = kSignals[i] == SIGHUP && previous[i].sa_handler == SIG_IGN;
    if (!under_nohup) ::sigaction(kSignals[i], &action, nullptr);
  }
}

void restore(const Actions& previous) {
  for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &previous[i], nullptr);
}

}  // namespace

void tell_of_signals(bool tells) noexcept { is_telling = tells; }

EndBySignal::EndBySignal() { install(end_process, before_end); }

EndBySignal::~EndBySignal() { restore(before_end); }

PauseBySignal::PauseBySignal() {
  ::sigaction(SIGTSTP, nullptr, &before_pause);
  if (before_pause.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = pause_process;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGTSTP, &action, nullptr);
}

PauseBySignal::~PauseBySignal() { ::sigaction(SIGTSTP, &before_pause, nullptr); }

StopSignal::StopSignal() {
  received_signal = 0;
  install(note_signal, before_stop);
}

StopSignal::~StopSignal() { restore(before_stop); }

int StopSignal::received() noexcept { return received_signal; }

}  // namespace convmixer

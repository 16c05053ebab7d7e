#include "convmixer/train/stop_signal.hpp"

#include "convmixer/core/standard_streams.hpp"
#include "core/temporary_file.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <string_view>
#include <unistd.h>

namespace convmixer {
namespace {

constexpr std::array<int, 3> kSignals{SIGINT, SIGTERM, SIGHUP};
constexpr std::string_view kNotice = "\nconvmixer: stopping after this step and saving; once more to stop at once\n";

using Actions = std::array<struct sigaction, kSignals.size()>;

// A signal handler can reach nothing but globals.
std::atomic<int> received_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not lock");
Actions before_end{};
Actions before_stop{};

void say(std::string_view text) {
  if (!is_writable(STDERR_FILENO, 0)) return;
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

std::string_view name_of(int signal) {
  if (signal == SIGINT) return "SIGINT\n";
  return signal == SIGTERM ? "SIGTERM\n" : "SIGHUP\n";
}

void end_process(int signal) {
  remove_temporary_files_of_this_process();
  say("\nconvmixer: ended by ");
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
  if (int none = 0; !received_signal.compare_exchange_strong(none, signal)) end_process(signal);
  stop_waiting_for_readers();
  say(kNotice);
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

EndBySignal::EndBySignal() { install(end_process, before_end); }

EndBySignal::~EndBySignal() { restore(before_end); }

StopSignal::StopSignal() {
  received_signal = 0;
  install(note_signal, before_stop);
}

StopSignal::~StopSignal() { restore(before_stop); }

int StopSignal::received() noexcept { return received_signal; }

}  // namespace convmixer

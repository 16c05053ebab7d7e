#include "convmixer/train/stop_signal.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <string_view>
#include <unistd.h>

namespace convmixer {
namespace {

constexpr std::array<int, 3> kSignals{SIGINT, SIGTERM, SIGHUP};
constexpr std::string_view kNotice = "\nconvmixer: stopping after this step and saving; once more to stop at once\n";

// A signal handler can reach nothing but globals.
std::atomic<int> received_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not lock");
std::array<struct sigaction, kSignals.size()> previous{};

void note_signal(int signal) {
  if (int none = 0; !received_signal.compare_exchange_strong(none, signal)) {
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    ::sigaction(signal, &by_default, nullptr);
    ::raise(signal);  // delivered when this handler returns
    return;
  }
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, kNotice.data(), kNotice.size());
}

}  // namespace

StopSignal::StopSignal() {
  received_signal = 0;
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], nullptr, &previous[i]);
    const bool under_nohup = kSignals[i] == SIGHUP && previous[i].sa_handler == SIG_IGN;
    if (!under_nohup) ::sigaction(kSignals[i], &action, nullptr);
  }
}

StopSignal::~StopSignal() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &previous[i], nullptr);
}

int StopSignal::received() noexcept { return received_signal; }

}  // namespace convmixer

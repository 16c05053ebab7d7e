#include "run_mpirun.hpp"

#include "convmixer/core/error.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace convmixer::tool {
namespace {

constexpr std::array<int, 4> kEnding{SIGINT, SIGTERM, SIGHUP, SIGUSR1};

// A signal handler can reach nothing but globals.
std::atomic<pid_t> mpirun_process{0};
std::atomic<int> first_signal{0};
std::atomic<bool> is_mpich{false};
static_assert(std::atomic<pid_t>::is_always_lock_free, "a signal handler may not lock");

void pass_on(int signal) {
  int none = 0;
  const bool is_first = first_signal.compare_exchange_strong(none, signal);
  ::kill(mpirun_process, is_mpich ? SIGINT : is_first ? SIGUSR1 : signal);
}

/// Ctrl-Z stops the ranks as well (MPICH's mpirun alone), and what follows it has them go on.
void pause_with_ranks(int /*signal*/) {
  const int number_of_error = errno;
  ::kill(mpirun_process, SIGTSTP);
  ::raise(SIGSTOP);
  ::kill(mpirun_process, SIGCONT);
  errno = number_of_error;
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  ::sigaction(signal, nullptr, &action);
  if (action.sa_handler == SIG_IGN) return;  // under nohup
  action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(signal, &action, nullptr);
}

/// Out of the terminal's reach: its Ctrl-C comes to this process alone. Returns only if it can't be run, with the
/// reason sent to the other end of the pipe.
void become_mpirun(std::vector<char*>& arguments, int failure) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::execvp(arguments[0], arguments.data());
  const int reason = errno;
  [[maybe_unused]] const ssize_t ignored = ::write(failure, &reason, sizeof reason);
  ::_exit(127);
}

int status_of(pid_t process) {
  int status = 0;
  while (::waitpid(process, &status, 0) < 0) {
    if (errno != EINTR) fail("mpirun's exit status can't be had: {}", std::strerror(errno));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int run_mpirun(Mpirun kind, const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("{}: no pipe: {}", words.front(), std::strerror(errno));
  std::signal(SIGCHLD, SIG_DFL);  // who ignores it can't ask how a process has ended
  const pid_t process = ::fork();
  if (process == 0) become_mpirun(arguments, ends[1]);
  ::close(ends[1]);
  if (process < 0) fail("{}: no process: {}", words.front(), std::strerror(errno));
  mpirun_process = process;
  is_mpich = kind == Mpirun::mpich;
  for (const int signal : kEnding) handle(signal, pass_on);
  handle(SIGTSTP, pause_with_ranks);
  int reason = 0;
  const bool failed = ::read(ends[0], &reason, sizeof reason) == sizeof reason;
  ::close(ends[0]);
  const int status = status_of(process);
  if (failed) fail("{}: can't be run: {}", words.front(), std::strerror(reason));
  const bool by_signal = is_mpich ? status == 0 || status == 128 + SIGINT : status == 128 + SIGUSR1;
  return by_signal && first_signal != 0 ? 128 + first_signal : status;
}

}  // namespace convmixer::tool

#include "watch/watch_process.hpp"

#include "convmixer/core/error.hpp"
#include "http/server.hpp"
#include "watch/page_address.hpp"
#include "watch/run_id.hpp"
#include "watch/watch_pages.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

/// For the last questions of open pages, which ask every two seconds.
constexpr double kSecondsAfterTheEnd = 4.0;

/// Leaves the training's terminal, files and priority.
void settle(int socket) {
  ::setpgid(0, 0);  // and no session of its own: priorities count within one (sched(7), autogroups)
  ::setpriority(PRIO_PROCESS, 0, 19);
  ::prctl(PR_SET_NAME, "convmixer-watch");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) std::signal(signal, SIG_DFL);
  const int nowhere = ::open("/dev/null", O_RDWR);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nowhere, stream);
  constexpr unsigned kLast = ~0U;
  const auto kept = static_cast<unsigned>(socket);
  if (kept > 3) ::close_range(3, kept - 1, 0);
  ::close_range(kept + 1, kLast, 0);
}

void tell(int socket, const std::string& text) {
  [[maybe_unused]] const ssize_t ignored = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
}

/// Serves until the other end of the socket is closed. What it sends first is "=" and its address, or why there is
/// none.
void serve_beside(int socket, const fs::path& folder, const std::string& target) {
  WatchPages pages(folder, {.depth = 1});
  http::Server server({.port = kWatchPort, .ports_to_try = kPortsToTry},
                      [&](const http::Request& request) { return pages.answer(request); });
  server.when_closed(socket, [&] {
    if (!pages.is_looked_at()) return server.stop();
    server.after(kSecondsAfterTheEnd, [&] { server.stop(); });
  });
  const std::string tunnel = tunnel_command(server.port());
  tell(socket, "=" + server.address(target) + "\n" + tunnel);
  server.run();
}

[[noreturn]] void become_watcher(int socket, const fs::path& folder, const std::string& target) {
  int status = 1;
  try {
    settle(socket);
    serve_beside(socket, folder, target);
    status = 0;
  } catch (const std::exception& error) {
    tell(socket, error.what());
  }
  ::_exit(status);  // what the training has opened and buffered is its own
}

std::string receive(int socket) {
  std::array<char, 8192> text{};
  ssize_t count = 0;
  do {
    count = ::recv(socket, text.data(), text.size(), 0);
  } while (count < 0 && errno == EINTR);
  return {text.data(), static_cast<std::size_t>(count < 0 ? 0 : count)};
}

}  // namespace

WatchProcess::WatchProcess(const fs::path& out) {
  std::error_code error;
  const fs::path run = (fs::absolute(out, error) / "").lexically_normal().parent_path();
  watched_ = run.parent_path();
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    fail("--open: no socket: {}", std::strerror(errno));
  const pid_t process = ::fork();
  if (process == 0) {
    ::close(ends[0]);
    become_watcher(ends[1], watched_, target_of_run(run_id(run.filename())));
  }
  ::close(ends[1]);
  socket_ = ends[0];
  if (process < 0) fail("--open: no process: {}", std::strerror(errno));
  const std::string answer = receive(socket_);
  if (!answer.starts_with('=')) fail("--open: no page: {}", answer.empty() ? "its process ended" : answer);
  const std::size_t end = answer.find('\n');
  address_ = answer.substr(1, end - 1);
  advice_ = answer.substr(end + 1);
}

WatchProcess::~WatchProcess() {
  if (socket_ >= 0) ::close(socket_);
}

}  // namespace convmixer::tool

#include "convmixer/core/standard_streams.hpp"

#include "convmixer/core/error.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <stdio_ext.h>
#include <system_error>
#include <unistd.h>

namespace convmixer {

namespace {

int first_failure = 0;  // errno of the first write to standard output that failed
bool was_terminal = false;
std::atomic<bool> waits_for_readers{true};
constexpr int kPatience = 500;  // milliseconds

void keep_failure(std::FILE* file, int reason) {
  if (file == stdout && first_failure == 0) first_failure = reason;
}

bool has_lost_its_reader() {
  pollfd output{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  return ::poll(&output, 1, 0) == 1 && (output.revents & (POLLERR | POLLHUP)) != 0;
}

}  // namespace

void guard_standard_streams() {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    // It gets the lowest number that is free: this one. A system without the device has at least a root.
    if (::open("/dev/null", O_RDWR) < 0) (void)::open("/", O_RDONLY | O_DIRECTORY);
  }
  was_terminal = ::isatty(STDOUT_FILENO) == 1;
  std::signal(SIGXFSZ, SIG_IGN);
}

void stop_waiting_for_readers() noexcept { waits_for_readers = false; }

bool is_writable(int descriptor, int milliseconds) noexcept {
  pollfd output{.fd = descriptor, .events = POLLOUT, .revents = 0};
  return ::poll(&output, 1, milliseconds) == 1;
}

void write_text(std::FILE* file, std::string_view text, bool flush) {
  const int descriptor = ::fileno(file);  // none for a stream in memory, which has no reader to wait for
  if (!waits_for_readers && descriptor >= 0 && !is_writable(descriptor, kPatience)) {
    ::__fpurge(file);  // the process's end would wait for it
    return;
  }
  errno = 0;
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (!written || (flush && std::fflush(file) != 0)) keep_failure(file, errno);
}

void require_output_written() {
  constexpr const char* kMessage = "standard output can't be written: {}; all else is done";
  errno = 0;
  if (std::fflush(stdout) != 0) keep_failure(stdout, errno);
  const bool reader_gone = first_failure == EPIPE || (first_failure == EIO && was_terminal);
  if (reader_gone) return;
  if (first_failure != 0) fail(kMessage, std::generic_category().message(first_failure));
  // Something else printed, and nobody looked.
  if (std::ferror(stdout) != 0 && !has_lost_its_reader()) fail(kMessage, "an earlier write failed");
}

}  // namespace convmixer

#include "core/descriptor.hpp"

#include "convmixer/core/error.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>

namespace convmixer {

Descriptor::Descriptor(const std::filesystem::path& path, int flags)
    : value_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}

Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}

std::string read_to_end(const Descriptor& descriptor, const std::filesystem::path& path) {
  constexpr std::size_t kAtOnce = std::size_t{1} << 16;
  std::string text;
  for (;;) {
    const std::size_t before = text.size();
    text.resize(before + kAtOnce);
    const ssize_t got = ::read(descriptor.get(), text.data() + before, kAtOnce);
    const int reason = errno;
    text.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
    if (got == 0) return text;
    if (got < 0 && reason != EINTR) fail("{}: can't be read: {}", path.string(), system_reason(reason));
  }
}

std::string system_reason(int code) {
  std::string reason = std::generic_category().message(code);
  rlimit limit{};
  if (code == EFBIG && ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    reason += fmt::format(" (the limit is {} bytes, see ulimit -f)", limit.rlim_cur);
  return reason;
}

}  // namespace convmixer

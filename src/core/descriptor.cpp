#include "core/descriptor.hpp"

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

std::string system_reason(int code) {
  std::string reason = std::generic_category().message(code);
  rlimit limit{};
  if (code == EFBIG && ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    reason += fmt::format(" (the limit is {} bytes, see ulimit -f)", limit.rlim_cur);
  return reason;
}

}  // namespace convmixer

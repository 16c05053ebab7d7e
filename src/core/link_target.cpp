#include "core/link_target.hpp"

#include "convmixer/core/error.hpp"
#include "core/descriptor.hpp"

#include <cerrno>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <system_error>

namespace convmixer {

namespace {

/// Links there, such as /dev/stdout leads to, name what a process has open: that is written to, not replaced.
bool is_on_procfs(const std::filesystem::path& link) {
  const std::filesystem::path folder = link.has_parent_path() ? link.parent_path() : ".";
  struct statfs system {};
  return ::statfs(folder.c_str(), &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

}  // namespace

std::filesystem::path link_target(const std::filesystem::path& path) {
  constexpr int kMostLinks = 40;  // as Linux follows
  std::filesystem::path target = path;
  for (int links = 0; links <= kMostLinks; ++links) {
    std::error_code is_no_link;
    const std::filesystem::path next = std::filesystem::read_symlink(target, is_no_link);
    if (is_no_link) return target;
    if (is_on_procfs(target)) fail("{}: expected a file or nothing, found something else", path.string());
    target = target.parent_path() / next;  // which is `next` alone where that begins at the root
  }
  fail("{}: can't be followed: {}", path.string(), system_reason(ELOOP));
}

}  // namespace convmixer

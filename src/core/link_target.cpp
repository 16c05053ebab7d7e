#include "core/link_target.hpp"

#include "convmixer/core/error.hpp"
#include "core/descriptor.hpp"

#include <cerrno>
#include <system_error>

namespace convmixer {

std::filesystem::path link_target(const std::filesystem::path& path) {
  constexpr int kMostLinks = 40;  // as Linux follows
  std::filesystem::path target = path;
  for (int links = 0; links <= kMostLinks; ++links) {
    std::error_code is_no_link;
    const std::filesystem::path next = std::filesystem::read_symlink(target, is_no_link);
    if (is_no_link) return target;
    target = target.parent_path() / next;  // which is `next` alone where that begins at the root
  }
  fail("{}: can't be followed: {}", path.string(), system_reason(ELOOP));
}

}  // namespace convmixer

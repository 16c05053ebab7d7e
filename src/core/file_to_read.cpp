#include "core/file_to_read.hpp"

#include "convmixer/core/error.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace convmixer {

namespace {

/// A file that another program has leased (fcntl(2), as Samba does) is waited for: with O_NONBLOCK it would be refused.
int flags_for(const std::filesystem::path& path) {
  struct stat status {};
  const bool is_file = ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
  return is_file ? O_RDONLY : O_RDONLY | O_NONBLOCK;
}

}  // namespace

FileToRead::FileToRead(const std::filesystem::path& path) : descriptor_(path, flags_for(path)) {
  struct stat status {};
  if (!descriptor_.valid() || ::fstat(descriptor_.get(), &status) != 0) {
    // ENXIO: a socket, or a device that nothing is behind.
    if (errno == ENXIO) fail("{}: expected a file, found something else", path.string());
    fail("{}: can't be opened: {}", path.string(), system_reason(errno));
  }
  if (S_ISDIR(status.st_mode)) fail("{}: expected a file, found a folder", path.string());
  if (!S_ISREG(status.st_mode)) fail("{}: expected a file, found something else", path.string());
  bytes_ = static_cast<std::size_t>(status.st_size);
}

}  // namespace convmixer

#include "core/appended_file.hpp"

#include "convmixer/core/error.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace convmixer {

AppendedFile::AppendedFile(const std::filesystem::path& path, Open how)
    : path_(path),
      descriptor_(
          ::open(path.c_str(), O_WRONLY | O_CREAT | (how == Open::anew ? O_EXCL : 0) | O_APPEND | O_CLOEXEC, 0644)) {}

AppendedFile::~AppendedFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void AppendedFile::append(std::string_view record) {
  const off_t before = ::lseek(descriptor_, 0, SEEK_END);
  while (!record.empty()) {
    const ssize_t written = ::write(descriptor_, record.data(), record.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int reason = errno;
      [[maybe_unused]] const int ignored = ::ftruncate(descriptor_, before);  // else the next reader sees a torn record
      fail("{}: can't be written: {}", path_.string(), std::strerror(reason));
    }
    record.remove_prefix(static_cast<std::size_t>(written));
  }
}

void AppendedFile::sync() {
  if (::fsync(descriptor_) != 0) fail("{}: can't be written: {}", path_.string(), std::strerror(errno));
}

}  // namespace convmixer

#include "data/sources/scratch_file.hpp"

#include "convmixer/core/error.hpp"
#include "core/temporary_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace convmixer {

namespace {

/// Not every file system makes files without a name.
int open_unnamed(const std::filesystem::path& folder) {
  if (const int file = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); file >= 0) return file;
  const TemporaryFile named(folder);  // loses its name here
  return named.valid() ? ::fcntl(named.descriptor(), F_DUPFD_CLOEXEC, 0) : -1;
}

}  // namespace

ScratchFile::ScratchFile(const std::filesystem::path& folder, std::size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  const int file = open_unnamed(folder);
  if (file < 0) fail("{}: can't hold a file: {}", folder.string(), std::generic_category().message(errno));
  // The disk space is had now: writing to a mapping of a full disk would end the process.
  int code = ::posix_fallocate(file, 0, static_cast<off_t>(bytes));
  void* mapped = MAP_FAILED;
  if (code == 0) {
    mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) code = errno;
  }
  ::close(file);
  if (code != 0)
    fail("{}: can't hold {} bytes of decoded images: {}", folder.string(), bytes,
         std::generic_category().message(code));
  data_ = static_cast<std::uint8_t*>(mapped);
}

ScratchFile::~ScratchFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace convmixer

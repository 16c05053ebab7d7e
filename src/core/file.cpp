#include "convmixer/core/file.hpp"

#include "convmixer/core/error.hpp"
#include "core/descriptor.hpp"
#include "core/file_to_read.hpp"

#include <cerrno>
#include <sys/mman.h>
#include <utility>

namespace convmixer {

MappedFile::MappedFile(const std::filesystem::path& path) {
  const FileToRead file(path);
  size_ = file.bytes();
  if (size_ == 0) return;  // mmap refuses length 0
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.descriptor().get(), 0);
  if (mapped == MAP_FAILED) fail("{}: can't be mapped: {}", path.string(), system_reason(errno));
  data_ = static_cast<const std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

std::string read_text_file(const std::filesystem::path& path) {
  const FileToRead file(path);
  return read_to_end(file.descriptor(), path);
}

}  // namespace convmixer

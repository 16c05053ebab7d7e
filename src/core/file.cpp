#include "convmixer/core/file.hpp"

#include "convmixer/core/error.hpp"
#include "core/temporary_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace convmixer {

namespace {

std::string system_reason(int code) {
  std::string reason = std::generic_category().message(code);
  rlimit limit{};
  if (code == EFBIG && ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    reason += fmt::format(" (the limit is {} bytes, see ulimit -f)", limit.rlim_cur);
  return reason;
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

/// An open descriptor, closed at the end of its scope.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags) : value_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int get() const noexcept { return value_; }
  [[nodiscard]] bool valid() const noexcept { return value_ >= 0; }

 private:
  int value_;
};

bool write_all(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  const Descriptor file(path, O_RDONLY);
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0)
    fail("{}: can't be opened: {}", path.string(), system_reason(errno));
  if (!S_ISREG(status.st_mode)) fail("{}: expected a file, found something else", path.string());
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;  // mmap refuses length 0
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
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
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) fail("{}: expected a file, found a folder", path.string());
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file.good() && file.peek() != std::ifstream::traits_type::eof()) text << file.rdbuf();
  if (!file.is_open() || file.bad()) fail("{}: can't be read: {}", path.string(), system_reason(errno));
  return text.str();
}

void require_writable(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::status_known(status)) fail("{}: can't be created: {}", path.string(), error.message());
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    fail("{}: expected a file or nothing, found something else", path.string());
  }
  const TemporaryFile file(folder_of(path));
  if (!file.valid()) fail("{}: can't be created: {}", path.string(), system_reason(errno));
}

void write_file_atomically(const std::filesystem::path& path, std::span<const std::span<const std::byte>> parts) {
  TemporaryFile file(folder_of(path));
  const auto give_up = [&](const char* what) {
    fail("{}: can't be {}: {}", path.string(), what, system_reason(errno));
  };
  if (!file.valid()) give_up("created");
  for (const std::span<const std::byte> part : parts) {
    if (!write_all(file.descriptor(), part)) give_up("written");
  }
  if (::fsync(file.descriptor()) != 0 || !file.flush()) give_up("written");
  if (!file.rename(path)) give_up("replaced");
  // The rename itself is on disk only once the folder is.
  const Descriptor directory(folder_of(path), O_RDONLY | O_DIRECTORY);
  if (directory.valid()) ::fsync(directory.get());
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  const std::span<const std::byte> part = std::as_bytes(std::span(text));
  write_file_atomically(path, std::span(&part, 1));
}

}  // namespace convmixer

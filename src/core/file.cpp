#include "convmixer/core/file.hpp"

#include "convmixer/core/error.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace convmixer {

namespace {

std::string system_reason(int code) { return std::generic_category().message(code); }

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

  /// close(2), for its result: some file systems report a full disk only here.
  [[nodiscard]] bool close() noexcept { return ::close(std::exchange(value_, -1)) == 0; }

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

namespace {

/// Where what is to stand at `path` is written first. The process's number keeps two writers of one path apart.
std::filesystem::path temporary_for(const std::filesystem::path& path) {
  std::filesystem::path temporary = path;
  temporary += "." + std::to_string(::getpid()) + ".part";
  return temporary;
}

}  // namespace

void require_writable(const std::filesystem::path& path) {
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    fail("{}: expected a file or nothing, found something else", path.string());
  }
  const std::filesystem::path temporary = temporary_for(path);
  const Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file.valid()) fail("{}: can't be created: {}", path.string(), system_reason(errno));
  ::unlink(temporary.c_str());
}

void write_file_atomically(const std::filesystem::path& path, std::span<const std::span<const std::byte>> parts) {
  const std::filesystem::path temporary = temporary_for(path);
  const auto give_up = [&](const char* what) {
    const int code = errno;
    ::unlink(temporary.c_str());
    fail("{}: can't be {}: {}", path.string(), what, system_reason(code));
  };

  Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file.valid()) give_up("created");
  for (const std::span<const std::byte> part : parts) {
    if (!write_all(file.get(), part)) give_up("written");
  }
  if (::fsync(file.get()) != 0 || !file.close()) give_up("written");
  if (::rename(temporary.c_str(), path.c_str()) != 0) give_up("replaced");
  // The rename itself is on disk only once the folder is.
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const Descriptor directory(folder, O_RDONLY | O_DIRECTORY);
  if (directory.valid()) ::fsync(directory.get());
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  const std::span<const std::byte> part = std::as_bytes(std::span(text));
  write_file_atomically(path, std::span(&part, 1));
}

}  // namespace convmixer

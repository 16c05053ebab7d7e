#include "convmixer/core/whole_file.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "core/descriptor.hpp"
#include "core/link_target.hpp"
#include "core/temporary_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace convmixer {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBuffered = std::size_t{1} << 16;

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

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

[[noreturn]] void give_up(const fs::path& path, const char* what) {
  fail("{}: can't be {}: {}", path.string(), what, system_reason(errno));
}

/// The end of its links; Error if something that isn't a file stands there.
fs::path place_of(const fs::path& path) {
  const fs::path place = link_target(path);
  std::error_code error;
  const fs::file_status status = fs::status(place, error);
  if (!fs::status_known(status)) fail("{}: can't be created: {}", path.string(), error.message());
  if (fs::exists(status) && !fs::is_regular_file(status))
    fail("{}: expected a file or nothing, found {}", path.string(),
         fs::is_directory(status) ? "a folder" : "something else");
  return place;
}

std::optional<mode_t> permissions_at(const fs::path& place) {
  struct stat status {};
  if (::stat(place.c_str(), &status) != 0) return std::nullopt;
  return status.st_mode & 0777U;
}

/// Only where they differ: not every file system has permissions of its own for each file.
bool set_permissions(int descriptor, mode_t permissions) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return false;
  return (status.st_mode & 0777U) == permissions || ::fchmod(descriptor, permissions) == 0;
}

}  // namespace

struct WholeFile::Impl {
  explicit Impl(const fs::path& target) : path(target), place(place_of(target)), file(folder_of(place)) {
    if (!file.valid()) give_up(path, "created");
    // What only some may read nobody else reads meanwhile; remove_abandoned_files has to open it for writing.
    if (const auto permissions = permissions_at(place)) take_permissions(*permissions | S_IRUSR | S_IWUSR);
  }

  void take_permissions(mode_t permissions) const {
    if (!set_permissions(file.descriptor(), permissions)) give_up(path, "given the permissions of the file there");
  }

  void write_out(std::span<const std::byte> bytes) const {
    if (!write_all(file.descriptor(), bytes)) give_up(path, "written");
  }
  void flush() {
    write_out(std::as_bytes(std::span(buffer)));
    buffer.clear();
  }

  fs::path path;   // as it was given, for messages
  fs::path place;  // where its links lead
  TemporaryFile file;
  std::string buffer;
};

WholeFile::WholeFile(const fs::path& path) { impl_ = std::make_unique<Impl>(path); }

WholeFile::~WholeFile() = default;

void WholeFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void WholeFile::write(std::span<const std::byte> bytes) {
  if (impl_->buffer.size() + bytes.size() > kBuffered) impl_->flush();
  if (bytes.size() > kBuffered) return impl_->write_out(bytes);
  impl_->buffer.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void WholeFile::finish() {
  impl_->flush();
  TemporaryFile& file = impl_->file;
  if (const auto permissions = permissions_at(impl_->place)) impl_->take_permissions(*permissions);
  if (::fsync(file.descriptor()) != 0 || !file.flush()) give_up(impl_->path, "written");
  if (!file.rename(impl_->place)) give_up(impl_->path, "replaced");
  // The rename itself is on disk only once the folder is.
  const Descriptor directory(folder_of(impl_->place), O_RDONLY | O_DIRECTORY);
  if (directory.valid()) ::fsync(directory.get());
}

void require_writable(const fs::path& path) {
  const TemporaryFile file(folder_of(place_of(path)));
  if (!file.valid()) give_up(path, "created");
}

void write_file_atomically(const fs::path& path, std::span<const std::span<const std::byte>> parts) {
  WholeFile file(path);
  for (const std::span<const std::byte> part : parts) file.write(part);
  file.finish();
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  const std::span<const std::byte> part = std::as_bytes(std::span(text));
  write_file_atomically(path, std::span(&part, 1));
}

}  // namespace convmixer

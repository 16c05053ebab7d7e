#include "train/growing_file.hpp"

#include "convmixer/core/error.hpp"
#include "core/descriptor.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace convmixer {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kNanoseconds = 1'000'000'000;
constexpr std::size_t kReadBytes = 1 << 18;

/// A link may have another name in the same folder, but not lead out of it: folders come from anybody.
void require_in_its_folder(const fs::path& file) {
  std::error_code error;
  if (!fs::is_symlink(file, error)) return;
  const fs::path target = fs::canonical(file, error);
  if (!error && target.parent_path() == fs::canonical(file.parent_path(), error)) return;
  fail("{}: a link that leads out of its folder: expected a file", file.string());
}

FileStamp stamp_from(const struct stat& status, const fs::path& file) {
  if (!S_ISREG(status.st_mode)) fail("{}: expected a file, found something else", file.string());
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .bytes = status.st_size,
          .modified = std::int64_t{status.st_mtim.tv_sec} * kNanoseconds + status.st_mtim.tv_nsec};
}

/// From this offset on, at most so many bytes; fewer only at the file's end.
std::string read_at(const Descriptor& descriptor, const fs::path& file, std::int64_t offset, std::size_t most_bytes) {
  std::string text(most_bytes, '\0');
  std::size_t size = 0;
  while (size < most_bytes) {
    const ssize_t got = ::pread(descriptor.get(), text.data() + size, most_bytes - size,
                                static_cast<off_t>(offset + static_cast<std::int64_t>(size)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("{}: can't be read: {}", file.string(), system_reason(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

}  // namespace

std::optional<FileStamp> stamp_of(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    fail("{}: can't be read: {}", file.string(), system_reason(errno));
  }
  require_in_its_folder(file);
  return stamp_from(status, file);
}

std::string read_small_file(const fs::path& file, std::int64_t most_bytes) {
  require_in_its_folder(file);
  const Descriptor descriptor(file, O_RDONLY | O_NONBLOCK);  // doesn't wait for the other end of a pipe
  struct stat status {};
  if (!descriptor.valid() || ::fstat(descriptor.get(), &status) != 0)
    fail("{}: can't be read: {}", file.string(), system_reason(errno));
  const std::int64_t bytes = stamp_from(status, file).bytes;
  if (bytes > most_bytes) fail("{}: has {} bytes, expected no more than {}", file.string(), bytes, most_bytes);
  return read_at(descriptor, file, 0, static_cast<std::size_t>(bytes));
}

GrowingFile::Change GrowingFile::read(const std::function<void()>& restart, const Use& use) {
  require_in_its_folder(file_);
  const Descriptor descriptor(file_, O_RDONLY | O_NONBLOCK);
  struct stat status {};
  if (descriptor.valid() ? ::fstat(descriptor.get(), &status) != 0 : errno != ENOENT)
    fail("{}: can't be read: {}", file_.string(), system_reason(errno));
  // Of the file that is open: the path may be another's by now.
  const auto stamp = descriptor.valid() ? std::optional(stamp_from(status, file_)) : std::nullopt;
  if (stamp && stamp->bytes > kMostBytes)
    fail("{}: has {} bytes, expected no more than {}", file_.string(), stamp->bytes, kMostBytes);
  if (stamp == stamp_) return Change::none;
  const bool continues = stamp && stamp_ && stamp->device == stamp_->device && stamp->inode == stamp_->inode &&
                         stamp->bytes >= stamp_->bytes && read_before(descriptor) == before_;
  if (!continues) {
    restart();
    offset_ = 0;
    lines_ = 0;
  }
  stamp_ = stamp;
  if (stamp) read_lines(descriptor, use);
  before_ = stamp ? read_before(descriptor) : "";
  return continues ? Change::grown : Change::anew;
}

std::string GrowingFile::read_before(const Descriptor& descriptor) const {
  constexpr std::int64_t kBytes = 256;
  const std::int64_t bytes = std::min(kBytes, offset_);
  return read_at(descriptor, file_, offset_ - bytes, static_cast<std::size_t>(bytes));
}

void GrowingFile::read_lines(const Descriptor& descriptor, const Use& use) {
  std::string line;  // its beginning, when it is too long
  std::int64_t line_bytes = 0;
  const auto add = [&](std::string_view text) {
    line_bytes += static_cast<std::int64_t>(text.size());
    if (static_cast<std::int64_t>(line.size()) <= kMostLineBytes) line.append(text);
  };
  for (std::int64_t at = offset_;;) {
    const std::string text = read_at(descriptor, file_, at, kReadBytes);
    at += static_cast<std::int64_t>(text.size());
    std::string_view rest = text;
    for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1)) {
      add(rest.substr(0, end));
      offset_ += line_bytes + 1;
      use(line, ++lines_);
      line.clear();
      line_bytes = 0;
    }
    add(rest);
    if (text.size() < kReadBytes) return;
  }
}

}  // namespace convmixer

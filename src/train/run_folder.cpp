#include "convmixer/train/run_folder.hpp"

#include "convmixer/core/error.hpp"
#include "core/descriptor.hpp"
#include "core/temporary_file.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace convmixer {

namespace {

/// As network file systems, those of containers and small ones answer.
bool means_no_locks(int error) { return error == ENOLCK || error == ENOSYS || error == EOPNOTSUPP || error == EINVAL; }

/// The whole file, as open file descriptions lock it.
struct flock whole_file(short type) {
  struct flock region {};
  region.l_type = type;
  region.l_whence = SEEK_SET;
  return region;
}

/// The folder and those above it, as far as they aren't there.
std::vector<std::filesystem::path> missing_folders(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> missing;
  std::error_code ignored;  // a name that is too long isn't there either
  std::filesystem::path path = (std::filesystem::absolute(folder, ignored) / "x").lexically_normal().parent_path();
  for (; path.has_relative_path() && !std::filesystem::exists(path, ignored); path = path.parent_path())
    missing.push_back(path);
  return missing;
}

/// Whether a file that was opened is the one that is there.
bool is_at(const std::filesystem::path& path, int descriptor) {
  struct stat opened {};
  struct stat there {};
  return ::fstat(descriptor, &opened) == 0 && ::stat(path.c_str(), &there) == 0 && opened.st_dev == there.st_dev &&
         opened.st_ino == there.st_ino;
}

/// Throws as making the folder, or a file in it, would.
void require_could_write(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path nearest = fs::absolute(folder, error).lexically_normal();
  while (!fs::exists(nearest, error) && !error && nearest.has_relative_path()) nearest = nearest.parent_path();
  if (error) fail("{}: the run folder can't be made: {}", folder.string(), error.message());
  if (!fs::is_directory(nearest, error)) {
    fail("{}: the run folder can't be made: {} is no folder", folder.string(), nearest.string());
  }
  if (::faccessat(AT_FDCWD, nearest.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return;
  const char* const reason = std::strerror(errno);
  if (fs::equivalent(nearest, folder, error)) fail("{}: can't be written: {}", folder.string(), reason);
  fail("{}: the run folder can't be made in {}: {}", folder.string(), nearest.string(), reason);
}

}  // namespace

bool RunFolder::holds_state() const {
  std::error_code ignored;
  return std::filesystem::exists(state(), ignored);
}

RunFolderLock::RunFolderLock(const RunFolder& folder, FolderUse use) : folder_(folder) {
  const bool look = use == FolderUse::look;
  std::error_code error;
  if (look) {
    require_could_write(folder.path);
    if (!std::filesystem::exists(folder.lock(), error)) return;
  } else {
    made_ = missing_folders(folder.path);
    std::filesystem::create_directories(folder.path, error);
    if (error) {
      take_away_what_was_made();
      fail("{}: the run folder can't be made: {}", folder.path.string(), error.message());
    }
  }
  constexpr int kMostTries = 100;  // there are file systems that number a file anew each time it is looked at
  int tries = 0;
  try {
    do {  // until it is the one that is there: another process may just have taken its own away
      if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
      if (!open(look)) return;
      lock();
    } while (!is_at(folder.lock(), descriptor_) && ++tries < kMostTries);
  } catch (const Error&) {
    take_away_what_was_made();
    throw;
  }
  // Whether a flock is held can't be asked without taking it, but whether one of these is. It keeps nobody out.
  struct flock sign = whole_file(F_WRLCK);
  if (!look && missing_.empty()) (void)::fcntl(descriptor_, F_OFD_SETLK, &sign);
  if (look) ::close(std::exchange(descriptor_, -1));
}

bool RunFolderLock::open(bool look) {
  const std::filesystem::path file = folder_.lock();
  if (!look) descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  has_made_file_ = descriptor_ >= 0;
  if (!has_made_file_) descriptor_ = ::open(file.c_str(), O_RDWR | (look ? 0 : O_CREAT) | O_CLOEXEC, 0644);
  if (descriptor_ >= 0) return true;
  if (look && errno == ENOENT) return false;
  fail("{}: can't be written: {}", file.string(), std::strerror(errno));
}

void RunFolderLock::lock() {
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int reason = errno;
  if (means_no_locks(reason)) {
    missing_ =
        fmt::format("{}: can't be locked ({}): nothing but you keeps another process from training into this folder",
                    folder_.path.string(), std::strerror(reason));
    return;
  }
  ::close(std::exchange(descriptor_, -1));
  if (reason == EWOULDBLOCK) {
    fail("{}: another process is training into this folder; wait for it, or choose another --out",
         folder_.path.string());
  }
  fail("{}: can't be locked: {}", folder_.lock().string(), std::strerror(reason));
}

RunFolderLock::~RunFolderLock() { take_away_what_was_made(); }

// Not without locks: nobody knows then who else has the folder.
void RunFolderLock::take_away_what_was_made() noexcept {
  const bool was_open = descriptor_ >= 0;
  const bool is_all =
      was_open && missing_.empty() && has_made_file_ && is_at(folder_.lock(), descriptor_) && holds_nothing_else();
  if (is_all) ::unlink(folder_.lock().c_str());
  if (was_open) ::close(std::exchange(descriptor_, -1));
  if (was_open && !is_all) return;
  for (const std::filesystem::path& made : made_)
    if (::rmdir(made.c_str()) != 0 && errno != ENOENT && errno != ENAMETOOLONG) break;
}

bool RunFolderLock::holds_nothing_else() const {
  std::error_code error;
  std::filesystem::directory_iterator entry(folder_.path, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
    if (entry->path().filename() != folder_.lock().filename()) return false;
  return !error;
}

std::optional<bool> is_locked(const RunFolder& folder) {
  const Descriptor file(folder.lock(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file.valid()) return errno == ENOENT ? std::optional(false) : std::nullopt;
  struct flock found = whole_file(F_RDLCK);
  if (::fcntl(file.get(), F_OFD_GETLK, &found) != 0) return std::nullopt;
  return found.l_type != F_UNLCK;
}

void remove_unfinished_files(const RunFolder& folder) {
  remove_abandoned_files(folder.path);
  // Earlier releases named them after their process. They, too, wrote under the lock alone.
  std::error_code error;
  std::filesystem::directory_iterator entry(folder.path, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const auto is_of = [&](const std::filesystem::path& file) {
      return is_old_temporary_name(name, file.filename().native());
    };
    std::error_code ignored;
    const bool is_own = is_of(folder.config()) || is_of(folder.metrics()) || is_of(folder.best()) ||
                        is_of(folder.last()) || is_of(folder.state());
    if (is_own && entry->is_regular_file(ignored)) std::filesystem::remove(entry->path(), ignored);
  }
}

std::filesystem::path move_aside(const RunFolder& folder) {
  const RunFolderLock lock(folder);  // not from under a process that is training
  std::error_code error;
  for (int number = 1;; ++number) {
    std::filesystem::path target = folder.path;
    if (!target.has_filename()) target = target.parent_path();  // "runs/x/"
    target += fmt::format(".{}", number);
    if (std::filesystem::exists(target, error)) continue;
    std::filesystem::rename(folder.path, target, error);
    if (error) fail("{}: can't be renamed to {}: {}", folder.path.string(), target.string(), error.message());
    return target;
  }
}

}  // namespace convmixer

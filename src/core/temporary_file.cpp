#include "core/temporary_file.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace convmixer {

namespace {

constexpr std::string_view kPrefix = ".convmixer-";
constexpr std::string_view kSuffix = ".part";
constexpr std::size_t kDigits = 16;
constexpr std::time_t kAbandonedAfter = 86400;  // seconds, where nothing better is known

std::string random_name() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number)) {  // early in the machine's start
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    number += static_cast<std::uint64_t>(now.tv_nsec) << 32 ^ static_cast<std::uint64_t>(::getpid());
  }
  std::array<char, kDigits + 1> digits{};
  (void)std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(number));
  return std::string(kPrefix).append(digits.data(), kDigits).append(kSuffix);
}

bool is_temporary_name(std::string_view name) {
  if (name.size() != kPrefix.size() + kDigits + kSuffix.size()) return false;
  const std::string_view digits = name.substr(kPrefix.size(), kDigits);
  return name.starts_with(kPrefix) && name.ends_with(kSuffix) &&
         digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Paths where a signal handler can reach them, which may neither lock nor allocate.
struct Slot {
  enum State : int { free, taken, live, removing };
  std::atomic<int> state{free};
  std::array<char, PATH_MAX> path{};
};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not lock");
std::array<Slot, 16> slots;

/// -1 if none is free: then the file is left to remove_abandoned_files.
int show_to_handlers(const std::string& path) {
  if (path.size() >= PATH_MAX) return -1;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (int expected = Slot::free; !slots[i].state.compare_exchange_strong(expected, Slot::taken)) continue;
    std::ranges::copy(path, slots[i].path.begin());
    slots[i].path[path.size()] = '\0';
    slots[i].state = Slot::live;
    return static_cast<int>(i);
  }
  return -1;
}

void hide_from_handlers(int slot) {
  if (slot < 0) return;
  int expected = Slot::live;  // or a handler is at it, and the process about to end
  slots[static_cast<std::size_t>(slot)].state.compare_exchange_strong(expected, Slot::free);
}

/// Whether a file in hand has still a name: who cleans up may have found it before it was locked.
bool has_name(int descriptor) {
  struct stat status {};
  return ::fstat(descriptor, &status) == 0 && status.st_nlink > 0;
}

bool is_abandoned(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return false;
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return true;
  return errno != EWOULDBLOCK && std::time(nullptr) - status.st_mtim.tv_sec > kAbandonedAfter;
}

}  // namespace

TemporaryFile::TemporaryFile(const std::filesystem::path& folder) {
  constexpr int kMostAttempts = 100;
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    path_ = folder / random_name();
    const int file = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0 && errno == EEXIST) continue;
    if (file < 0) return;
    const bool is_others = ::flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (!is_others && has_name(file)) {
      descriptor_ = file;
      slot_ = show_to_handlers(path_.native());
      return;
    }
    ::close(file);
  }
  errno = EEXIST;
}

TemporaryFile::~TemporaryFile() {
  if (descriptor_ < 0) return;
  const int reason = errno;
  if (!path_.empty()) ::unlink(path_.c_str());
  hide_from_handlers(slot_);
  ::close(descriptor_);
  errno = reason;
}

bool TemporaryFile::flush() const noexcept {
  const int copy = ::fcntl(descriptor_, F_DUPFD_CLOEXEC, 0);
  return copy >= 0 && ::close(copy) == 0;
}

bool TemporaryFile::rename(const std::filesystem::path& target) {
  if (::rename(path_.c_str(), target.c_str()) != 0) return false;
  path_.clear();
  return true;
}

void remove_abandoned_files(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (!is_temporary_name(entry->path().filename().native())) continue;
    const int file = ::open(entry->path().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0) continue;
    if (is_abandoned(file)) ::unlink(entry->path().c_str());
    ::close(file);
  }
}

bool is_old_temporary_name(std::string_view name, std::string_view file) {
  if (!name.starts_with(file) || !name.ends_with(kSuffix) || name.size() < file.size() + 2 + kSuffix.size())
    return false;
  const std::string_view number = name.substr(file.size(), name.size() - file.size() - kSuffix.size());
  return number.front() == '.' && number.substr(1).find_first_not_of("0123456789") == std::string_view::npos;
}

void remove_temporary_files_of_this_process() noexcept {
  for (Slot& slot : slots) {
    int expected = Slot::live;
    if (slot.state.compare_exchange_strong(expected, Slot::removing)) ::unlink(slot.path.data());
  }
}

}  // namespace convmixer

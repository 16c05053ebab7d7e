/// The page of a training, served beside it.
#pragma once

#include <filesystem>
#include <string>

namespace convmixer::tool {

/// A process of its own, at the lowest priority, that watches the runs of a folder while this one trains. What goes
/// wrong there, and whatever its clients do, is no matter of the training, which shares no thread, memory or descriptor
/// with it. It ends when this process does, in whatever way (a socket between the two tells), and a moment later where
/// a page is open, which gets to see the end. Ctrl-C doesn't reach it.
class WatchProcess {
 public:
  /// Must be called while the process has no other thread: it is copied. `out` is the folder of the run that the page
  /// shows first; those beside it are in the list. Throws Error when no page can be served.
  explicit WatchProcess(const std::filesystem::path& out);
  ~WatchProcess();
  WatchProcess(const WatchProcess&) = delete;
  WatchProcess& operator=(const WatchProcess&) = delete;

  /// Of the page.
  [[nodiscard]] const std::string& address() const noexcept { return address_; }
  /// What else there is to know of it: lines to print, each with its line break.
  [[nodiscard]] const std::string& advice() const noexcept { return advice_; }
  [[nodiscard]] const std::filesystem::path& watched() const noexcept { return watched_; }

 private:
  int socket_ = -1;
  std::filesystem::path watched_;
  std::string address_;
  std::string advice_;
};

}  // namespace convmixer::tool

/// Files by their descriptors, as the system sees them.
#pragma once

#include <filesystem>
#include <string>

namespace convmixer {

/// An open descriptor, closed at the end of its scope.
class Descriptor {
 public:
  /// Opens a file with these flags of open(2). Where that fails, valid() is false and errno says why.
  Descriptor(const std::filesystem::path& path, int flags);
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int get() const noexcept { return value_; }
  [[nodiscard]] bool valid() const noexcept { return value_ >= 0; }

 private:
  int value_;
};

/// All that is still to be read. Throws Error naming the path and the system's reason.
[[nodiscard]] std::string read_to_end(const Descriptor& descriptor, const std::filesystem::path& path);

/// What an errno means, for messages: "File too large (the limit is 1024 bytes, see ulimit -f)".
[[nodiscard]] std::string system_reason(int code);

}  // namespace convmixer

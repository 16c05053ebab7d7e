/// The one exception type: what failed, where, and what was expected, in one line for the user.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace convmixer {

/// Decides the tool's exit status.
enum class ErrorKind {
  failure,  ///< files, data, memory, arithmetic: exit status 1
  usage,    ///< options and configuration: exit status 2
};

/// Thrown for everything a user can cause or meet; caught once, in the tool's main.
/// The message is one line naming the file, key or tensor, what was found and what was expected.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

/// Throws an Error of kind `failure` with a formatted message.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorKind::failure, fmt::format(format, std::forward<Args>(args)...));
}

/// Throws an Error of kind `usage` with a formatted message.
template <typename... Args>
[[noreturn]] void fail_usage(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorKind::usage, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace convmixer

/// UTF-8 for libraries that ask the locale how text is encoded.
#pragma once

#include <locale.h>  // NOLINT(modernize-deprecated-headers): uselocale is POSIX

namespace convmixer {

/// This thread's characters are UTF-8 for the length of a scope, whatever the process' locale is; all else is as in the
/// "C" locale. Where a system has no "C.UTF-8", nothing changes.
class Utf8Locale {
 public:
  Utf8Locale();
  ~Utf8Locale();
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t utf8_;
  locale_t before_;
};

}  // namespace convmixer

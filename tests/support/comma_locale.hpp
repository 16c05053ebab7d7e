/// A locale that writes 1.234.567,5, for what must not depend on the locale.
#pragma once

#include "support/environment_variable.hpp"
#include "support/temporary_folder.hpp"

#include <clocale>
#include <cstdlib>
#include <locale>
#include <optional>
#include <string>

namespace convmixer::testing_support {

/// While it lives, C++'s streams write numbers like that, and so does C's library if a locale with commas is installed
/// or can be made.
class CommaLocale {
 public:
  CommaLocale()
      : before_(std::locale::global(std::locale(std::locale::classic(), new Commas))),
        c_before_(std::setlocale(LC_ALL, nullptr)) {
    if (const std::string folder = made_folder(); !folder.empty()) folder_.emplace("LOCPATH", folder);
    for (const char* name : {kMade, "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "tr_TR.UTF-8"}) {
      if (std::setlocale(LC_ALL, name) == nullptr) continue;
      if (*std::localeconv()->decimal_point == ',') return;
    }
  }
  ~CommaLocale() {
    std::setlocale(LC_ALL, c_before_.c_str());
    std::locale::global(before_);
  }
  CommaLocale(const CommaLocale&) = delete;
  CommaLocale& operator=(const CommaLocale&) = delete;

  /// Whether C's library writes commas as well.
  [[nodiscard]] static bool is_of_c() { return *std::localeconv()->decimal_point == ','; }

 private:
  static constexpr const char* kMade = "comma_DE.UTF-8";

  struct Commas : std::numpunct<char> {
    [[nodiscard]] char do_decimal_point() const override { return ','; }
    [[nodiscard]] char do_thousands_sep() const override { return '.'; }
    [[nodiscard]] std::string do_grouping() const override { return "\3"; }
  };

  /// A folder with a locale, made once; empty where there is no localedef, or nothing that it could make one of.
  static std::string made_folder() {
    static const TemporaryFolder folder;
    static const bool made =
        std::system(
            ("localedef -c -i de_DE -f UTF-8 '" + (folder.path() / kMade).string() + "' >'/dev/null' 2>&1").c_str()) ==
        0;
    return made ? folder.path().string() : "";
  }

  std::locale before_;
  std::string c_before_;
  std::optional<EnvironmentVariable> folder_;  // where C's library looks for locales
};

}  // namespace convmixer::testing_support

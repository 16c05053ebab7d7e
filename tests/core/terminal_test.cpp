#include "convmixer/core/terminal.hpp"

#include "support/environment_variable.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace convmixer {
namespace {

using testing_support::EnvironmentVariable;

TEST(DetectTerminal, FindsNoneInAFile) {
  std::FILE* const file = std::tmpfile();
  const Terminal terminal = detect_terminal(file);
  EXPECT_FALSE(terminal.live);
  EXPECT_FALSE(terminal.colour);
  EXPECT_EQ(terminal.columns, 80);
  std::fclose(file);
}

/// The slave side of a pseudo-terminal.
class PseudoTerminal {
 public:
  PseudoTerminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    if (master_ >= 0 && ::grantpt(master_) == 0 && ::unlockpt(master_) == 0) {
      file_ = std::fopen(::ptsname(master_), "w");
    }
  }
  ~PseudoTerminal() {
    if (file_ != nullptr) std::fclose(file_);
    if (master_ >= 0) ::close(master_);
  }
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  [[nodiscard]] std::FILE* file() const { return file_; }
  void set_columns(unsigned short columns) const {
    winsize size{};
    size.ws_col = columns;
    ::ioctl(master_, TIOCSWINSZ, &size);
  }

 private:
  int master_;
  std::FILE* file_ = nullptr;
};

TEST(DetectTerminal, HonoursNoColorTheLocaleAndDumbTerminals) {
  const PseudoTerminal terminal;
  if (terminal.file() == nullptr) GTEST_SKIP() << "this system has no pseudo-terminals (/dev/pts is not mounted)";
  terminal.set_columns(123);
  const EnvironmentVariable name("TERM", "xterm");
  const EnvironmentVariable no_color("NO_COLOR");
  EXPECT_TRUE(detect_terminal(terminal.file()).live);
  EXPECT_TRUE(detect_terminal(terminal.file()).colour);
  EXPECT_EQ(detect_terminal(terminal.file()).columns, 123);
  const Terminal before = detect_terminal(terminal.file());
  terminal.set_columns(40);
  EXPECT_EQ(resized(before, terminal.file()).columns, 40);
  EXPECT_EQ(resized(before, terminal.file()).rows, 24) << "it doesn't say";
  {
    const EnvironmentVariable set("NO_COLOR", "1");
    EXPECT_TRUE(detect_terminal(terminal.file()).live);
    EXPECT_FALSE(detect_terminal(terminal.file()).colour);
  }
  {
    const EnvironmentVariable empty("NO_COLOR", "");
    EXPECT_TRUE(detect_terminal(terminal.file()).colour);
  }
  {
    const EnvironmentVariable all("LC_ALL");
    const EnvironmentVariable characters("LC_CTYPE", "");
    const EnvironmentVariable language("LANG", "de_DE.utf8");
    EXPECT_TRUE(detect_terminal(terminal.file()).blocks);
    const EnvironmentVariable plain("LC_ALL", "C");
    EXPECT_FALSE(detect_terminal(terminal.file()).blocks) << "goes before the others";
  }
  const EnvironmentVariable dumb("TERM", "dumb");
  EXPECT_FALSE(detect_terminal(terminal.file()).live);
  EXPECT_FALSE(detect_terminal(terminal.file()).colour);
}

}  // namespace
}  // namespace convmixer

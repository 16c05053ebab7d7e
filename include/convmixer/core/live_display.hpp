/// Lines that a terminal shows while something works, drawn over themselves.
#pragma once

#include <cstdio>
#include <span>
#include <string>

namespace convmixer {

/// The cursor rests at the beginning of the first line: whatever is erased from there on leaves nothing behind, however
/// the terminal has been resized since, and whatever Ctrl-C has put there. One object at a time.
class LiveDisplay {
 public:
  explicit LiveDisplay(std::FILE* file) noexcept : file_(file) {}
  ~LiveDisplay();
  LiveDisplay(const LiveDisplay&) = delete;
  LiveDisplay& operator=(const LiveDisplay&) = delete;

  /// Lines that aren't wider than the terminal, in the place of those before. Draws nothing while the process is in the
  /// background of its terminal, where the shell's prompt is. Failures are write_text's.
  void draw(std::span<const std::string> lines);
  /// Makes room for lines that stay.
  void erase();

 private:
  std::FILE* file_;
  bool is_drawn_ = false;
};

/// For signal handlers, which then may write to the terminal: erases what is drawn, or after erase() the "^C" on the
/// line that comes next, and says whether something was drawn before.
bool erase_live_display() noexcept;

}  // namespace convmixer

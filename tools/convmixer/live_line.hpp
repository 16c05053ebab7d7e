/// The line that a terminal shows while a command works, drawn over itself.
#pragma once

#include "convmixer/train/progress.hpp"

#include <functional>
#include <string>

namespace convmixer::tool {

/// On standard error, if that is a terminal; else nothing is shown.
class LiveLine {
 public:
  /// `clock` gives seconds from any moment on.
  explicit LiveLine(std::function<double()> clock);
  ~LiveLine();
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

  /// Draws what `text` gives, at most ten times a second, cut to the terminal's width.
  void update(const std::function<std::string()>& text);
  /// Makes room for lines that stay, which may go to the same terminal.
  void clear();

 private:
  std::function<double()> clock_;
  Terminal terminal_;
  double last_update_;
  bool drawn_ = false;
};

}  // namespace convmixer::tool

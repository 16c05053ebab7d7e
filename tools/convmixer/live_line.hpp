/// The line that a terminal shows while a command works, drawn over itself.
#pragma once

#include "convmixer/core/live_display.hpp"
#include "convmixer/train/progress.hpp"

#include <functional>
#include <string>

namespace convmixer::tool {

/// On standard error. On its own it shows nothing where that is no terminal: what isn't asked for is not wanted in
/// logs.
class LiveLine {
 public:
  /// `clock` gives seconds from any moment on.
  LiveLine(ProgressMode mode, std::function<double()> clock);

  /// Draws what `text` gives, at most ten times a second, cut to the terminal's width; or prints it, every half minute.
  void update(const std::function<std::string()>& text);
  /// Makes room for lines that stay, which may go to the same terminal.
  void clear() { display_.erase(); }

 private:
  ProgressMode mode_;
  std::function<double()> clock_;
  Terminal terminal_;
  double last_update_;
  LiveDisplay display_{stderr};
};

}  // namespace convmixer::tool

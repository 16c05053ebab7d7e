/// What may be drawn where lines are printed.
#pragma once

#include <cstdio>

namespace convmixer {

struct Terminal {
  bool live = false;    ///< lines may be drawn over those before
  bool colour = false;  ///< colours may be used: NO_COLOR is not set (https://no-color.org)
  bool blocks = false;  ///< it shows Unicode's block elements: the locale's text is UTF-8
  int columns = 80;
  int rows = 24;
};

/// A file that is no terminal, or a terminal named "dumb", gets neither live lines nor colours.
[[nodiscard]] Terminal detect_terminal(std::FILE* file);

/// With the columns and rows that the terminal has now; as it was where it won't say.
[[nodiscard]] Terminal resized(Terminal terminal, std::FILE* file);

}  // namespace convmixer

/// Tables as text, as wide as a terminal is.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace convmixer::tool {

struct TableColumn {
  std::string title;
  std::vector<std::string> cells{};  ///< printable() text, one for each row
  bool right = false;                ///< numbers stand at their right end
  std::size_t least = 0;             ///< may be cut to so many columns of the terminal; 0: is never cut
  int spared = 0;  ///< where there is no room, what has the highest number is left out first; 0: never
};

/// A line of titles and one for each row, two blanks between columns. Columns without any text but their title are left
/// out. `width` is that of the terminal; 0: as wide as it takes. Titles are bold if `colour`.
[[nodiscard]] std::string format_table(std::vector<TableColumn> columns, std::size_t width, bool colour);

/// That of the terminal that standard output is; 0 if it is none.
[[nodiscard]] std::size_t output_width();

}  // namespace convmixer::tool

#include "text_table.hpp"

#include "convmixer/core/terminal.hpp"
#include "text_columns.hpp"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace convmixer::tool {
namespace {

constexpr std::size_t kBetween = 2;

/// How wide each column is drawn.
using Widths = std::vector<std::size_t>;

Widths natural_widths(const std::vector<TableColumn>& columns) {
  Widths widths;
  for (const TableColumn& column : columns) {
    std::size_t& width = widths.emplace_back(columns_of(column.title));
    for (const std::string& cell : column.cells) width = std::max(width, columns_of(cell));
  }
  return widths;
}

std::size_t total(const Widths& widths) {
  std::size_t sum = widths.empty() ? 0 : kBetween * (widths.size() - 1);
  for (const std::size_t width : widths) sum += width;
  return sum;
}

/// Cuts the widest of those columns that may be cut, until the table fits or none may be cut further.
void shrink(const std::vector<TableColumn>& columns, Widths& widths, std::size_t width) {
  while (total(widths) > width) {
    std::size_t widest = columns.size();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const bool may_be_cut = columns[i].least > 0 && widths[i] > columns[i].least;
      if (may_be_cut && (widest == columns.size() || widths[i] > widths[widest])) widest = i;
    }
    if (widest == columns.size()) return;
    --widths[widest];
  }
}

std::string cell(const TableColumn& column, const std::string& text, std::size_t width) {
  const std::string cut = cut_to_columns(text, width);
  return column.right ? std::string(width - std::min(width, columns_of(cut)), ' ') + cut
                      : padded_to_columns(cut, width);
}

std::string line_of(const std::vector<TableColumn>& columns, const Widths& widths,
                    const std::string& (*text)(const TableColumn& column, std::size_t row), std::size_t row) {
  std::string line;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) line.append(kBetween, ' ');
    line += cell(columns[i], text(columns[i], row), widths[i]);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::string format_table(std::vector<TableColumn> columns, std::size_t width, bool colour) {
  std::erase_if(columns, [](const TableColumn& column) {
    return std::ranges::all_of(column.cells, [](const std::string& text) { return text.empty(); });
  });
  if (columns.empty()) return {};
  Widths widths = natural_widths(columns);
  if (width > 0) shrink(columns, widths, width);
  while (width > 0 && total(widths) > width) {
    const auto last = std::ranges::max_element(columns, {}, &TableColumn::spared);
    if (last->spared == 0) break;
    columns.erase(last);
    widths = natural_widths(columns);
    shrink(columns, widths, width);
  }
  const auto title = [](const TableColumn& column, std::size_t) -> const std::string& { return column.title; };
  const auto text = [](const TableColumn& column, std::size_t row) -> const std::string& { return column.cells[row]; };
  std::string table = line_of(columns, widths, title, 0) + "\n";
  if (colour) table = "\x1b[1m" + table.substr(0, table.size() - 1) + "\x1b[0m\n";
  for (std::size_t row = 0; row < columns.front().cells.size(); ++row)
    table += line_of(columns, widths, text, row) + "\n";
  return table;
}

std::size_t output_width() {
  if (::isatty(STDOUT_FILENO) != 1) return 0;
  return static_cast<std::size_t>(std::max(1, detect_terminal(stdout).columns));
}

}  // namespace convmixer::tool

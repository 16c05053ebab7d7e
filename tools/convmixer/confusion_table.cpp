#include "confusion_table.hpp"

#include "convmixer/core/file.hpp"
#include "convmixer/core/printable.hpp"
#include "csv.hpp"
#include "text_columns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <set>
#include <vector>

namespace convmixer::tool {
namespace {

constexpr std::size_t kIndent = 2;
constexpr std::size_t kShortestRowName = 8;
constexpr std::size_t kShortestColumnName = 3;  // cut shorter, a name tells nothing

/// What rows and columns are called and how wide they are.
struct TableLayout {
  std::vector<std::string> row_names;
  std::vector<std::string> column_names;
  std::size_t row_width = 0;
  std::size_t cell = 0;  ///< the blank before it included
};

std::size_t digits(std::int64_t number) { return fmt::formatted_size("{}", number); }

std::size_t longest(std::span<const std::string> names) {
  std::size_t columns = 0;
  for (const std::string& name : names) columns = std::max(columns, columns_of(name));
  return columns;
}

/// Columns under the classes' names, cut as far as need be; nothing if what is left of them doesn't tell them apart.
std::optional<TableLayout> with_names(std::span<const std::string> names, std::size_t least_cell, std::size_t columns) {
  const std::size_t longest_name = longest(names);
  TableLayout layout;
  layout.row_width = std::min(longest_name, columns - names.size() * least_cell);
  layout.cell = std::min((columns - layout.row_width) / names.size(), std::max(least_cell, longest_name + 1));
  for (const std::string& name : names) {
    layout.row_names.push_back(cut_to_columns(name, layout.row_width));
    layout.column_names.push_back(beginning_of(name, layout.cell - 1));
  }
  const std::set<std::string> different(layout.column_names.begin(), layout.column_names.end());
  const bool readable = layout.cell - 1 >= std::min(kShortestColumnName, longest_name);
  if (!readable || different.size() < names.size()) return std::nullopt;
  return layout;
}

/// Columns under the classes' numbers, which the rows then have as well.
TableLayout with_numbers(std::span<const std::string> names, std::size_t least_cell, std::size_t columns) {
  TableLayout layout;
  const std::size_t number = digits(std::ssize(names) - 1);
  layout.cell = least_cell;
  layout.row_width = std::min(number + 1 + longest(names), columns - names.size() * layout.cell);
  for (std::size_t i = 0; i < names.size(); ++i) {
    layout.row_names.push_back(cut_to_columns(fmt::format("{:>{}} {}", i, number, names[i]), layout.row_width));
    layout.column_names.push_back(fmt::format("{}", i));
  }
  return layout;
}

/// The background that says how much of a class's images a cell has, of 256-colour terminals (6 x 6 x 6 colours from 16
/// on), with black letters.
std::string coloured(std::string_view text, double share, bool right) {
  constexpr std::array<int, 5> kGreens{194, 157, 120, 84, 41};
  constexpr std::array<int, 5> kReds{224, 217, 210, 203, 196};
  // Confusions are rare: a tenth of a class is much.
  constexpr std::array<double, 4> kRightSteps{0.2, 0.4, 0.6, 0.8};
  constexpr std::array<double, 4> kWrongSteps{0.01, 0.03, 0.1, 0.25};
  const auto& steps = right ? kRightSteps : kWrongSteps;
  const auto step = static_cast<std::size_t>(std::ranges::upper_bound(steps, share) - steps.begin());
  return fmt::format("\x1b[38;5;16;48;5;{}m{}\x1b[0m", (right ? kGreens : kReds)[step], text);
}

std::string format_cell(std::int64_t count, const ClassScores& of_row, bool right, std::size_t width, bool colour) {
  if (count == 0) return fmt::format("{:>{}}", of_row.images == 0 ? "" : ".", width);
  std::string text = fmt::format("{:>{}}", count, width);
  if (!colour) return text;
  return coloured(text, static_cast<double>(count) / static_cast<double>(of_row.images), right);
}

}  // namespace

std::int64_t largest_count(const ClassificationScores& scores) {
  std::int64_t largest = 0;
  for (const Confusion& confusion : scores.confusions()) largest = std::max(largest, confusion.images);
  for (std::int64_t label = 0; label < scores.classes(); ++label)
    largest = std::max(largest, scores.of_class(label).correct);
  return largest;
}

std::string format_confusion_matrix(const ClassificationScores& scores, std::span<const std::string> class_names,
                                    std::size_t columns, bool colour) {
  std::vector<std::string> names;
  for (const std::string& name : class_names) names.push_back(printable(name));
  const std::size_t least_cell = std::max(digits(largest_count(scores)), digits(scores.classes() - 1)) + 1;
  if (kIndent + kShortestRowName + names.size() * least_cell > columns) return {};
  const std::optional<TableLayout> named = with_names(names, least_cell, columns - kIndent);
  const TableLayout layout = named ? *named : with_numbers(names, least_cell, columns - kIndent);

  std::string text(kIndent + layout.row_width, ' ');
  for (const std::string& name : layout.column_names) text += std::string(layout.cell - columns_of(name), ' ') + name;
  text += '\n';
  for (std::size_t row = 0; row < names.size(); ++row) {
    text += std::string(kIndent, ' ') + padded_to_columns(layout.row_names[row], layout.row_width);
    const auto label = static_cast<std::int64_t>(row);
    const std::vector<std::int64_t> counts = scores.row(label);
    for (std::size_t i = 0; i < counts.size(); ++i)
      text += format_cell(counts[i], scores.of_class(label), i == row, layout.cell, colour);
    text += '\n';
  }
  return text;
}

void write_confusion_csv(const std::filesystem::path& path, const ClassificationScores& scores,
                         std::span<const std::string> class_names) {
  std::vector<std::string> fields;
  for (const std::string& name : class_names) fields.push_back(csv_field(name));
  const bool unpredicted = scores.unpredicted() > 0;
  std::string text = "label";
  for (const std::string& field : fields) text += ',' + field;
  text += unpredicted ? ",(no prediction)\n" : "\n";
  for (std::int64_t label = 0; label < scores.classes(); ++label) {
    text += fields[static_cast<std::size_t>(label)];
    for (const std::int64_t count : scores.row(label)) fmt::format_to(std::back_inserter(text), ",{}", count);
    if (unpredicted) fmt::format_to(std::back_inserter(text), ",{}", scores.confusion(label, -1));
    text += '\n';
  }
  write_file_atomically(path, text);
}

}  // namespace convmixer::tool

/// Records of one kind as a table: a row each, a column for every field that any of them has.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace convmixer {

/// A field of a record: a number (yes and no are 1 and 0) or a text.
struct RecordField {
  std::string name;
  std::variant<double, std::string> value;
};

class RecordTable {
 public:
  /// More fields than records of any release have: those of a record beyond them are left out.
  static constexpr std::size_t kMostColumns = 64;
  /// Where a record has no number of a name.
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  struct Column {
    std::string name;
    std::vector<double> numbers;     ///< of every row; kNone (NaN) where it has none
    std::vector<std::string> texts;  ///< of every row, or none at all where the field is never a text
  };

  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  /// In the order in which their fields first came.
  [[nodiscard]] const std::vector<Column>& columns() const noexcept { return columns_; }
  /// nullptr if no record has the field.
  [[nodiscard]] const Column* find(std::string_view name) const noexcept;
  /// A row's number; kNone if it has none.
  [[nodiscard]] double number(std::string_view name, std::size_t row) const noexcept;

  void append(std::vector<RecordField> record);
  void clear() noexcept;

 private:
  Column* find_or_add(const std::string& name);

  std::size_t rows_ = 0;
  std::vector<Column> columns_;
};

}  // namespace convmixer

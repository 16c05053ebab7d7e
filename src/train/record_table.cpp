#include "convmixer/train/record_table.hpp"

#include <algorithm>

namespace convmixer {

const RecordTable::Column* RecordTable::find(std::string_view name) const noexcept {
  const auto found = std::ranges::find(columns_, name, &Column::name);
  return found == columns_.end() ? nullptr : &*found;
}

double RecordTable::number(std::string_view name, std::size_t row) const noexcept {
  const Column* const column = find(name);
  return column == nullptr || row >= rows_ ? kNone : column->numbers[row];
}

RecordTable::Column* RecordTable::find_or_add(const std::string& name) {
  const auto found = std::ranges::find(columns_, name, &Column::name);
  if (found != columns_.end()) return &*found;
  if (columns_.size() == kMostColumns) return nullptr;
  return &columns_.emplace_back(Column{name, std::vector<double>(rows_, kNone), {}});
}

void RecordTable::append(std::vector<RecordField> record) {
  for (RecordField& field : record) {
    Column* const column = find_or_add(field.name);
    if (column == nullptr) continue;
    column->numbers.resize(rows_ + 1, kNone);
    if (const double* const number = std::get_if<double>(&field.value)) {
      column->numbers[rows_] = *number;
    } else {
      column->texts.resize(rows_ + 1);
      column->texts[rows_] = std::move(std::get<std::string>(field.value));
    }
  }
  ++rows_;
  for (Column& column : columns_) {
    column.numbers.resize(rows_, kNone);
    if (!column.texts.empty()) column.texts.resize(rows_);
  }
}

void RecordTable::clear() noexcept {
  rows_ = 0;
  columns_.clear();
}

}  // namespace convmixer

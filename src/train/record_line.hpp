/// A line of metrics.jsonl as the record that it is.
#pragma once

#include "convmixer/train/metrics_file.hpp"
#include "convmixer/train/record_table.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace convmixer {

struct RecordLine {
  std::string type;
  std::vector<RecordField> fields;  ///< in the line's order, numbers and texts alone, without the type

  [[nodiscard]] double number(std::string_view name, double otherwise = 0.0) const noexcept;
  /// A whole number, of those that a double holds.
  [[nodiscard]] std::int64_t whole(std::string_view name) const noexcept;
  [[nodiscard]] std::string text(std::string_view name) const;
};

/// Nothing for a line that is no record: no JSON object, without a type, or of a known type without epoch and step.
[[nodiscard]] std::optional<RecordLine> parse_record(std::string_view line);

[[nodiscard]] TestRecord test_record(const RecordLine& line);
[[nodiscard]] SessionRecord session_record(const RecordLine& line);
[[nodiscard]] EndRecord end_record(const RecordLine& line);

}  // namespace convmixer

/// The confusion matrix as text: in a terminal's colours, and for other programs.
#pragma once

#include "convmixer/model/classification_scores.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace convmixer::tool {

/// The largest of its numbers.
[[nodiscard]] std::int64_t largest_count(const ClassificationScores& scores);

/// A row for each class, a column for each that it was taken for, at most `columns` wide; empty where the classes are
/// too many for that. Colours tell right (green) from wrong (red), and how large a share of the class's images it is.
/// Names that are too long for their columns are cut; columns whose names would then be the same have the classes'
/// numbers.
[[nodiscard]] std::string format_confusion_matrix(const ClassificationScores& scores,
                                                  std::span<const std::string> class_names, std::size_t columns,
                                                  bool colour);

/// Writes it as CSV, whole or not at all: in the first line "label" and the names of what was predicted, then for each
/// class its name and counts. With images that got no prediction, the last column has them.
void write_confusion_csv(const std::filesystem::path& path, const ClassificationScores& scores,
                         std::span<const std::string> class_names);

}  // namespace convmixer::tool

/// The confusion matrix, drawn.
#pragma once

#include "convmixer/model/classification_scores.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace convmixer::tool {

/// More classes would not be told apart, nor the file be opened.
inline constexpr std::int64_t kMostClassesDrawn = 8'000;

/// Throws Error (usage) for more classes than kMostClassesDrawn: for what is to be drawn after hours of work.
void check_drawable(std::int64_t classes);

/// Draws the matrix into a PNG file, whole or not at all: a row for each class, a column for each that it was taken
/// for, `title` above them. Colours tell right (green) from wrong (red), and how large a share of the class's images it
/// is; counts are in the cells of up to about a hundred classes. Of more classes than have room for it, every few have
/// their name. Throws as check_drawable does.
void draw_confusion_matrix(const std::filesystem::path& path, const ClassificationScores& scores,
                           std::span<const std::string> class_names, const std::string& title);

}  // namespace convmixer::tool

/// A run's evaluation as a file.
#pragma once

#include "convmixer/train/evaluation_record.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace convmixer {

/// `key` says what it is an evaluation of. Whole or not at all; throws Error if it can't be written.
void write_evaluation_file(const std::filesystem::path& path, const std::string& key, const RunEvaluation& evaluation);

/// Nothing for a file that isn't there, has another key, or isn't what write_evaluation_file writes: whatever a folder
/// holds, what comes back is consistent.
[[nodiscard]] std::optional<RunEvaluation> read_evaluation_file(const std::filesystem::path& path,
                                                                const std::string& key);

}  // namespace convmixer

/// What differs between the settings of runs.
#pragma once

#include "convmixer/train/run_history.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

struct SettingDifference {
  std::string key;
  /// Of each run, in their order; nothing where it has no such setting, as those of another optimiser or model.
  std::vector<std::optional<std::string>> values;
};

struct SettingDifferences {
  std::vector<SettingDifference> differing;  ///< in the order of config.ini
  std::size_t equal = 0;                     ///< how many settings are the same in all runs
};

/// Compares the settings of each run, as RunHistory::settings() gives them. A setting that a run's file doesn't mention
/// has its default, which is what the release did that wrote the file. Folder, name, tags and note are not compared:
/// they are a run's own.
[[nodiscard]] SettingDifferences setting_differences(std::span<const std::vector<RunSetting>> runs);

}  // namespace convmixer

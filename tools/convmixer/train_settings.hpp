/// What the command line of a training says: the command's own options and the run's settings.
#pragma once

#include "convmixer/train/config.hpp"
#include "convmixer/train/progress.hpp"
#include "convmixer/train/run_estimate.hpp"
#include "convmixer/train/step_profiler.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace convmixer::tool {

/// The options of the command itself: they are no keys of a configuration.
struct TrainOptions {
  std::filesystem::path config;
  std::filesystem::path resume;
  bool fresh = false;
  bool allow_changed_data = false;
  int extend = 0;
  bool dry_run = false;
  bool open = false;
  int start_timeout = 60;  ///< seconds
  ProgressMode progress = ProgressMode::automatic;
  EstimateLimits estimate;
  ProfileOptions profile;
};

/// The options of `train` as a group of its help.
[[nodiscard]] OptionGroup train_command_group(TrainOptions& options);

/// The settings of a training: configuration file first, then the command line; of a run that goes on, what it keeps.
/// With a `seed`, those of one of several runs: `--out` is the folder of all, config.out that of this one
/// (seed_folders.hpp), and a new run keeps what one beside it keeps. Throws Error (usage) for what can't be read or
/// doesn't go together.
[[nodiscard]] TrainConfig read_train_settings(std::span<const std::string> words, TrainOptions& options,
                                              std::optional<std::uint64_t> seed = std::nullopt);

}  // namespace convmixer::tool

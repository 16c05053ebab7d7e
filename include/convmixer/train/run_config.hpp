/// The configuration that a run keeps in its folder: config.ini, from which it can be used again from anywhere.
#pragma once

#include "convmixer/train/config.hpp"
#include "convmixer/train/run_folder.hpp"

namespace convmixer {

/// Replaces a run's config.ini. The paths of data and cache are written as absolute ones, whatever folder the run is
/// used from later. Throws Error naming the file.
void write_run_config(const RunFolder& folder, const TrainConfig& config);

/// Reads it. A run that an earlier release began goes on with what that release did where its file has no word of it.
/// Throws Error naming file, line and key, and for a file without settings.
[[nodiscard]] TrainConfig read_run_config(const RunFolder& folder);

/// Throws Error (usage), as Trainer does, if the run that a folder holds can't go on with these settings. What they
/// leave to data and machine (image size, mean, std, precision = auto) may be what it is in the run.
void require_same_settings(const RunFolder& folder, const TrainConfig& config);

/// Whether the state of a run says which images it was trained on (all but those of early releases do): mean and std
/// follow from them, and where others are allowed (TrainControls::may_change_data) the run's own are to be given again.
/// Throws Error for a state that can't be read.
[[nodiscard]] bool knows_its_data(const RunFolder& folder);

/// Takes the images at `data` in place of a run's: its data set if that lies there, else whatever does, such as a
/// packed file in place of the folder that was trained on. Nothing changes for a run of drawn shapes, and where it is
/// empty.
void take_data(const std::filesystem::path& data, TrainConfig& config);

/// Throws Error (usage), with the way out, if the data that a run's configuration names isn't there.
void require_data(const RunFolder& folder, const TrainConfig& config);

}  // namespace convmixer

/// Everything that decides a training run, as settings of an INI file or of the command line.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/data/dataset.hpp"
#include "convmixer/data/dataset_options.hpp"
#include "convmixer/data/loader.hpp"
#include "convmixer/model/model_config.hpp"
#include "convmixer/optim/schedule.hpp"
#include "convmixer/train/option.hpp"
#include "convmixer/train/train_config.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace convmixer {

/// The settings in groups (Model, Initial weights, Data, Augmentation, Mixing, Optimiser, Epochs and learning rate,
/// Averaged weights, Machine, Run), each declared here and nowhere else. `config` must outlive them. select_options
/// takes the part that a tool has use for.
[[nodiscard]] std::vector<OptionGroup> config_options(TrainConfig& config);

/// The names of the options that describe a network, whichever model: the first group's.
[[nodiscard]] std::vector<std::string> model_option_names();

/// The settings of an INI file; those it doesn't mention are at their defaults. Throws Error naming file, line and key.
[[nodiscard]] TrainConfig read_config(const std::filesystem::path& path);

/// INI text that sets every key that applies, and runs again as it is.
[[nodiscard]] std::string to_ini(const TrainConfig& config);

/// Key and value of every setting that has a say in what a run computes: a run can only go on while they stay. The
/// number of epochs is among them unless learning rate and image size are constant: it stretches their schedules.
[[nodiscard]] std::map<std::string, std::string> fingerprint(const TrainConfig& config);

/// Throws Error (usage) naming a setting that config.ini couldn't give back: one beyond the limits of its option, which
/// programs that fill in a TrainConfig may have, or a path that an INI file can't hold.
void require_storable(const TrainConfig& config);

/// Puts the name of the data set that there is at config.data in place of "auto". Throws Error when it is unknown.
void recognise_dataset(TrainConfig& config);

/// Fills in what depends on data and machine: the data set's name, image size, mean and std, precision. Throws Error
/// (usage) as require_storable does, naming the key for a value that doesn't fit the data set, and for
/// values that don't go together. Of precision = auto it makes bf16 wherever the
/// CPU has instructions for it; precision_choice.hpp has another for trainings that begin.
void resolve(TrainConfig& config, const Dataset& dataset);

/// The parts of a configuration, in the terms of the modules that they are for.
/// The model for images of config.image_size.
[[nodiscard]] ModelConfig model_config(const TrainConfig& config, int channels, int classes);
[[nodiscard]] DatasetOptions dataset_options(const TrainConfig& config, Split split,
                                             std::function<void(const std::string&)> note = {});
/// Augmented and shuffled for training; in order and plain for the test set.
[[nodiscard]] LoaderOptions loader_options(const TrainConfig& config, Split split);
/// With what a run's precision and rates have a say in: of a resolved configuration.
[[nodiscard]] OptimizerOptions optimizer_settings(const TrainConfig& config, Precision precision);
[[nodiscard]] ThreadPinning thread_pinning(const TrainConfig& config);
[[nodiscard]] Schedule make_schedule(const TrainConfig& config, std::int64_t steps_per_epoch);

}  // namespace convmixer

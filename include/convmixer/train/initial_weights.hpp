/// The trained weights that a new run begins with (TrainConfig::init).
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/option_parser.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

/// Takes from the file config.init, of which `info` was read, what `given` doesn't set: the model and its sizes, mean
/// and standard deviation of its images, and, where the images are a folder's, their size and how they are made square.
/// Throws Error (usage) naming all settings of the model that are given otherwise than the file has them.
void take_settings(TrainConfig& config, const CheckpointInfo& info, std::span<const Assignment> given);

/// What a run keeps of the weights that it began with.
struct InitialWeights {
  /// Saved with the run's state: the file's path and XXH3 (64 bits, hexadecimal) of its bytes, and of norms that had
  /// seen batches their counters.
  std::map<std::string, std::string> record;
  /// "runs/a/best.safetensors: ConvMixer-64/4, kernel 5, patch 2, epoch 5, test accuracy 96.40%; a new head, ...".
  std::string description;
};

/// Fills the parameters, which have their random initial values, with those of config.init, the head's as
/// config.init_head says. `class_names` are the data's, by label. Throws Error for a file that can't be loaded, Error
/// (usage), with the ways out, for another model, other images, or other classes than those of the data.
[[nodiscard]] InitialWeights load_initial_weights(const TrainConfig& config,
                                                  const std::vector<std::string>& class_names, Parameters& parameters);

/// How many batches the norms have counted after so many steps from the record's on, frozen ones none: those that
/// haven't counted just the steps, by name with ".num_batches_tracked". A step counts once, whatever its micro-batches.
[[nodiscard]] std::map<std::string, std::int64_t> batches_tracked(const std::map<std::string, std::string>& record,
                                                                  const Graph& graph, std::int64_t steps);

/// For a run that goes on, which needs the file no more: throws Error (usage) if config.init is another file than the
/// record's, of other bytes, or given to a run that began with random weights. `folder` names the run.
void require_initial_weights(const TrainConfig& config, const std::map<std::string, std::string>& record,
                             const std::filesystem::path& folder);

}  // namespace convmixer

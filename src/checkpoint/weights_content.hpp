/// What is written of a network into a weights file, whichever the file's format.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/io/safetensors.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace convmixer {

inline constexpr const char* kClassNamesKey = "class_names";
/// Of a saved training's state, which is no weights file.
inline constexpr const char* kStateVersionKey = "training_state_version";
/// Of our own files whose tensors have another program's names: which.
inline constexpr const char* kNamesKey = "names";
inline constexpr std::string_view kDataKeyPrefix = "data.";
inline constexpr std::string_view kBatchesTracked = ".num_batches_tracked";

/// PyTorch's batch norm counts its training batches in a tensor of its own; load_state_dict asks for it.
[[nodiscard]] std::vector<std::string> batches_tracked_names(const Graph& graph);

/// Whether mean and standard deviation are a finite number for each of the model's channels, std above 0; or not given.
[[nodiscard]] bool has_valid_normalisation(const CheckpointInfo& info);

/// Counters, I64, then parameters and statistics, F32, as timm's state dict. Borrowed from both, which must outlive
/// them. Throws Error (usage) naming the file that they are for, as save_weights does for an `info` that doesn't fit.
[[nodiscard]] std::vector<TensorView> weights_views(const std::filesystem::path& path, const Parameters& parameters,
                                                    const CheckpointInfo& info);

/// All of `info` but batches_tracked, which the tensors say.
[[nodiscard]] std::map<std::string, std::string> weights_metadata(const CheckpointInfo& info);

}  // namespace convmixer

/// What a weights file says of its model, in its metadata and by its tensors.
#pragma once

#include "convmixer/io/tensor_file.hpp"
#include "convmixer/model/registry.hpp"

#include <filesystem>
#include <map>
#include <span>
#include <string>

namespace convmixer {

/// A setting's key in a weights file's metadata, and in reports: "kernel_size" for "kernel-size", as in PyTorch.
[[nodiscard]] std::string metadata_key(const ModelSetting& setting);

/// Metadata that read_model reads back: the model's name, its own sizes ("kernel_size"), its task ("image_size").
[[nodiscard]] std::map<std::string, std::string> model_metadata(const ModelConfig& model);

/// The model of a weights file. Its tensors' shapes say what its sizes are. A file that this program wrote says so in
/// its metadata as well, with what shapes don't show; metadata that contradicts the tensors is an error, and so is a
/// model that isn't in the registry. For a file of another program (timm's own) the model is the one whose tensors it
/// has, and what shapes don't show is at its default: image_size is 32. Throws Error naming the file.
[[nodiscard]] ModelConfig read_model(const TensorFile& file, std::span<const ModelEntry> among = models());

/// Throws Error naming the weights file when its model is not the one that a run is configured for, whatever their
/// sizes.
void require_model(const std::filesystem::path& weights, const ModelConfig& found, const ModelConfig& configured,
                   std::span<const ModelEntry> among = models());

}  // namespace convmixer

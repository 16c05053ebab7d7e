/// Networks for other programs to run: ONNX, https://onnx.ai.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/data/normalisation.hpp"
#include "convmixer/graph/parameters.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace convmixer {

struct OnnxOptions {
  /// Given: the file begins with (x - mean) / std, and takes pixels scaled to 0..1. Without: it takes what the network
  /// does, normalised images.
  std::optional<Normalisation> normalisation{};
  /// The file ends with the softmax of the logits, and its output is called `probabilities`.
  bool probabilities = false;
  /// Written among the file's metadata_props, sorted by key.
  std::map<std::string, std::string> metadata{};
};

/// What a weights file says of itself, for OnnxOptions::metadata: class_names (a JSON array), mean, std (numbers with
/// blanks between them), fit, image_size and more; and as "input" what the network takes, with its normalisation inside
/// or without. Channels are red, green, blue.
[[nodiscard]] std::map<std::string, std::string> onnx_metadata(const CheckpointInfo& info, bool normalises);

/// The bytes of an ONNX file (opset 17, IR version 8): `input`, (batch, C, H, W) f32, to `logits`, (batch, classes)
/// f32, with any number of images as batch. Batch norms are kept, with their running statistics, so that the file has
/// the weights as trained; convolutions have their pads spelt out, with the odd one at the end; GELU is 0.5 x (1 +
/// erf(x / sqrt 2)) in five nodes, which runtimes know and fuse. Tensors carry the parameters' names. Throws Error
/// (usage) for a normalisation of another number of channels than the graph's, or with a standard deviation that isn't
/// above 0, for metadata that isn't UTF-8, and for over 2 GB, which the format can't hold.
[[nodiscard]] std::string onnx_bytes(const Parameters& parameters, const OnnxOptions& options = {});

/// Writes them, whole or not at all. Throws Error naming the file that can't be written, and as onnx_bytes does.
void write_onnx(const std::filesystem::path& path, const Parameters& parameters, const OnnxOptions& options = {});

}  // namespace convmixer

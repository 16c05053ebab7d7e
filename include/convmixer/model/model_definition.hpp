/// What a model says of itself to the registry, in terms of its own configuration.
#pragma once

#include "convmixer/graph/graph.hpp"

#include <string>
#include <vector>

namespace convmixer {

class TensorFile;

/// A model with its sizes in two phrases: "ConvMixer-64/4" and "kernel 5, patch 2".
struct ModelDescription {
  std::string name;
  std::string details;
};

/// One of a model's own sizes: an option of the command line and of INI files, and a key of a weights file's metadata.
template <typename Config>
struct SizeOf {
  std::string name;  ///< of the option: "kernel-size"
  int Config::*value;
  int least;  ///< the option's limits
  int most;
  std::string help;
};

/// All that a model needs besides its line in registry.cpp. Its defaults are those of Config{}, its weights have the
/// names of the graph's parameters (those that timm gives them).
template <typename Config>
struct ModelDefinition {
  std::string name;  ///< value of the option `model` and of the key "model" in a weights file's metadata: "convmixer"
  std::vector<SizeOf<Config>> sizes;
  /// Throws Error (usage) naming the size that is out of range, or doesn't go with another.
  void (*check)(const Config&);
  /// Checks, and builds the network.
  Graph (*graph)(const Config&);
  ModelDescription (*describe)(const Config&);
  /// Whether a file's tensors look like this model's weights.
  bool (*recognises)(const TensorFile&);
  /// Sets those sizes that the shapes of a file's tensors show. Throws Error naming file and tensor.
  void (*read_sizes)(const TensorFile&, Config&);
  /// What the size of an image must be a multiple of so that all of its pixels are seen; not set: of 1.
  int (*image_step)(const Config&) = nullptr;
};

}  // namespace convmixer

/// What a model says of itself to the registry, in terms of its own configuration.
#pragma once

#include "convmixer/graph/graph.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
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

/// One of a model's own choices among names, likewise an option and, unless it is at its default, a key of the
/// metadata: files of before there was the choice have the default.
template <typename Config>
struct ChoiceOf {
  std::string name;  ///< of the option: "activation"
  std::vector<std::string> choices;
  std::function<std::size_t(const Config&)> get;  ///< the place among the choices; their number for none of them
  std::function<void(Config&, std::size_t)> set;
  std::string help;
};

/// A choice among the values of an enumeration.
template <typename Config, typename Enum>
[[nodiscard]] ChoiceOf<Config> choice_of(const std::string& name, Enum Config::*value,
                                         const std::vector<std::pair<std::string, Enum>>& choices,
                                         const std::string& help) {
  ChoiceOf<Config> choice{.name = name, .choices = {}, .get = {}, .set = {}, .help = help};
  for (const auto& [text, meaning] : choices) choice.choices.push_back(text);
  choice.get = [choices, value](const Config& config) {
    const auto found = std::ranges::find(choices, config.*value, &std::pair<std::string, Enum>::second);
    return static_cast<std::size_t>(found - choices.begin());
  };
  choice.set = [choices, value](Config& config, std::size_t index) { config.*value = choices.at(index).second; };
  return choice;
}

/// One of a model's own shares, as the rate of a dropout: an option. It has a say in training alone, so that weights
/// files don't hold it, and any weights go with any.
template <typename Config>
struct RateOf {
  std::string name;  ///< of the option: "drop-path"
  float Config::*value;
  float most;  ///< the option's limit; the other is 0
  std::string help;
};

/// All that a model needs besides its line in registry.cpp. Its defaults are those of Config{}, its weights have the
/// names of the graph's parameters.
template <typename Config>
struct ModelDefinition {
  std::string name;  ///< value of the option `model` and of the key "model" in a weights file's metadata: "convmixer"
  std::string weight_names = "timm's";  ///< who gives a model's weights these names
  std::vector<SizeOf<Config>> sizes;
  std::vector<ChoiceOf<Config>> choices{};
  std::vector<RateOf<Config>> rates{};
  /// Throws Error (usage) naming the setting that is out of range, or doesn't go with another.
  void (*check)(const Config&);
  /// Checks, and builds the network.
  Graph (*graph)(const Config&);
  ModelDescription (*describe)(const Config&);
  /// Whether a file's tensors look like this model's weights.
  bool (*recognises)(const TensorFile&);
  /// Sets those sizes and choices that a file's tensors show. Throws Error naming file and tensor.
  void (*read_sizes)(const TensorFile&, Config&);
  /// What the size of an image must be a multiple of so that all of its pixels are seen; not set: of 1.
  int (*image_step)(const Config&) = nullptr;
};

}  // namespace convmixer

/// The models there are, by name: the one place that knows them all. Options, INI files, help, run folders, weights
/// files, reports and measurements follow from what a model's entry says.
///
/// To add a model: a file pair like convmixer.{hpp,cpp} with its configuration, its graph and its definition; the
/// configuration among ModelConfig's alternatives; the definition in registry.cpp.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/model/model_config.hpp"
#include "convmixer/model/model_definition.hpp"

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace convmixer {

/// A SizeOf (model_definition.hpp) of whichever model.
struct SizeSetting {
  int least;
  int most;
  std::function<int&(ModelConfig&)> value;  ///< where a configuration of this model has it
};

/// A ChoiceOf of whichever model.
struct ChoiceSetting {
  std::vector<std::string> choices;
  std::function<std::size_t(const ModelConfig&)> get;
  std::function<void(ModelConfig&, std::size_t)> set;
};

/// A RateOf of whichever model.
struct RateSetting {
  float most;
  std::function<float&(ModelConfig&)> value;
};

struct ModelSetting {
  std::string name;
  std::string help;
  std::variant<SizeSetting, ChoiceSetting, RateSetting> kind;

  /// Whether it has a say in training alone.
  [[nodiscard]] bool is_of_training() const { return std::holds_alternative<RateSetting>(kind); }
};

/// A setting's value as an option and the metadata have it: "5", "relu".
[[nodiscard]] std::string setting_text(const ModelSetting& setting, const ModelConfig& model);
/// Gives a configuration another's value of a setting, both of the setting's model.
void copy_setting(const ModelSetting& setting, const ModelConfig& from, ModelConfig& to);

/// A ModelDefinition of whichever model. All functions but `holds` and `recognises` take its configurations only.
struct ModelEntry {
  std::string name;
  std::string weight_names;
  ModelConfig defaults;
  std::vector<ModelSetting> settings;
  std::function<bool(const ModelConfig&)> holds;  ///< whether a configuration is one of this model's
  std::function<void(const ModelConfig&)> check;
  std::function<Graph(const ModelConfig&)> graph;
  std::function<ModelDescription(const ModelConfig&)> describe;
  std::function<bool(const TensorFile&)> recognises;
  std::function<void(const TensorFile&, ModelConfig&)> read_sizes;
  std::function<int(const ModelConfig&)> image_step = [](const ModelConfig&) { return 1; };
};

/// All models. The first is the default; it was the only one when run folders and weights didn't say which they hold.
[[nodiscard]] std::span<const ModelEntry> models();

/// The names of models, for messages.
[[nodiscard]] std::vector<std::string> model_names(std::span<const ModelEntry> among = models());
/// The model of this name; nullptr if there is none.
[[nodiscard]] const ModelEntry* find_model(std::string_view name, std::span<const ModelEntry> among = models());
/// The model that a configuration is one of. Throws Error if it is none of these.
[[nodiscard]] const ModelEntry& entry_of(const ModelConfig& model, std::span<const ModelEntry> among = models());

/// The network of a configuration: input (N, channels, image_size, image_size), output (N, classes). Throws Error
/// (usage) naming the size that is out of range.
[[nodiscard]] Graph make_graph(const ModelConfig& model);

/// "ConvMixer-64/4, kernel 5, patch 2".
[[nodiscard]] std::string describe(const ModelConfig& model);
/// "ConvMixer-64/4, kernel 5, patch 2, images 32 x 32, 10 classes".
[[nodiscard]] std::string describe_with_task(const ModelConfig& model);

}  // namespace convmixer

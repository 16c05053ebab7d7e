#include "support/golden_case.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/model/model_file.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace convmixer::testing_support {

namespace {

/// The key of a setting: the first files of ConvMixers had shorter ones than weights files.
std::string key_of(const ModelSetting& setting) {
  if (setting.name == "kernel-size") return "kernel";
  return setting.name == "patch-size" ? "patch" : metadata_key(setting);
}

/// The model of the metadata; what that doesn't say is at its default.
ModelConfig model_of(const SafetensorsFile& file) {
  const bool says_so = file.metadata().contains("model");
  const ModelEntry* const entry = find_model(says_so ? file.metadata("model") : "convmixer");
  if (entry == nullptr) fail("{}: a model {}: there is none", file.path().string(), file.metadata("model"));
  ModelConfig model = entry->defaults;
  for (const ModelSetting& setting : entry->settings) {
    const auto found = file.metadata().find(key_of(setting));
    if (found == file.metadata().end()) continue;
    if (const auto* const size = std::get_if<SizeSetting>(&setting.kind)) size->value(model) = std::stoi(found->second);
    if (const auto* const choice = std::get_if<ChoiceSetting>(&setting.kind)) {
      const auto place = std::ranges::find(choice->choices, found->second);
      choice->set(model, static_cast<std::size_t>(place - choice->choices.begin()));
    }
  }
  return with_task(model, {.image_size = std::stoi(file.metadata("image")),
                           .channels = static_cast<int>(file.tensors().at("input.x").shape[1]),
                           .classes = std::stoi(file.metadata("classes"))});
}

/// "adamw lr=0.01 betas=0.9,0.999 eps=1e-8 weight_decay=0.05 on every parameter", "sgd lr=0.05 momentum=0.9 nesterov".
void read_optimizer(const std::string& text, OptimizerOptions& options, float& learning_rate) {
  std::istringstream words(text);
  std::string word;
  words >> word;
  options.kind = word == "adamw" ? OptimizerKind::adamw : word == "adam" ? OptimizerKind::adam : OptimizerKind::sgd;
  options.momentum = 0.0F;
  while (words >> word) {
    const std::size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (key == "lr") learning_rate = std::stof(value);
    if (key == "eps") options.epsilon = std::stof(value);
    if (key == "momentum") options.momentum = std::stof(value);
    if (key == "weight_decay") options.weight_decay = std::stof(value);
    if (key == "nesterov") options.nesterov = value.empty() || value == "1" || value == "True" || value == "true";
    if (key == "betas") {
      options.beta1 = std::stof(value);
      options.beta2 = std::stof(value.substr(value.find(',') + 1));
    }
  }
}

}  // namespace

GoldenCase::GoldenCase(const std::filesystem::path& path) : file(path), model(model_of(file)) {
  images = values("input.x");
  const SafetensorsFile::Entry& target = file.tensors().at("input.y");
  if (target.dtype == DType::i64) {
    for (const std::int64_t label : file.read_int64("input.y")) labels.push_back(static_cast<std::int32_t>(label));
  } else {
    soft = values("input.y");
  }
  label_smoothing = std::stof(file.metadata("label_smoothing"));
  read_optimizer(file.metadata("optimizer"), optimizer, learning_rate);
}

std::vector<float> GoldenCase::values(const std::string& name) const {
  const auto found = file.tensors().find(name);
  if (found == file.tensors().end()) fail("{}: no tensor {}", file.path().string(), name);
  std::vector<float> result(static_cast<std::size_t>(found->second.shape.count()));
  file.read(name, found->second.shape, result);
  return result;
}

void GoldenCase::load(const std::string& prefix, Parameters& parameters) const {
  const Graph& graph = parameters.graph();
  for (std::size_t id = 0; id < graph.parameters().size(); ++id) {
    const Parameter& parameter = graph.parameters()[id];
    file.read(prefix + parameter.name, parameter.shape, parameters.value(static_cast<ParameterId>(id)));
  }
  for (std::size_t id = 0; id < graph.statistics().size(); ++id) {
    const Statistic& statistic = graph.statistics()[id];
    file.read(prefix + statistic.name, statistic.shape, parameters.statistic(static_cast<StatisticId>(id)));
  }
}

}  // namespace convmixer::testing_support

#include "image_settings.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/given_text.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/data/dataset_names.hpp"
#include "convmixer/data/known_class_names.hpp"
#include "convmixer/model/image_size.hpp"
#include "convmixer/train/run_config.hpp"

#include <fmt/ranges.h>

#include <system_error>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

/// What networks of other programs were most likely trained on.
struct UsualImages {
  std::string name;
  int image_size;
  Normalisation normalisation;
};

UsualImages usual_images(const ModelConfig& model) {
  const ClassificationTask task = task_of(model);
  if (task.channels != 3)
    return {"0 to 1",
            task.image_size,
            {std::vector<float>(static_cast<std::size_t>(task.channels), 0.0F),
             std::vector<float>(static_cast<std::size_t>(task.channels), 1.0F)}};
  if (task.classes == 10) return {"CIFAR-10's", task.image_size, default_normalisation(kCifar10Dataset)};
  if (task.classes == 100) return {"CIFAR-100's", task.image_size, default_normalisation(kCifar100Dataset)};
  // What timm's IMAGENET_DEFAULT_MEAN and _STD are; it trains on 224 x 224 pixels.
  const bool may_be_large = task.classes == 1000 && parameter_of_image_size(model, 224).empty();
  return {"ImageNet's", may_be_large ? 224 : task.image_size, {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}}};
}

std::string numbers(const std::vector<float>& values) { return fmt::format("{}", fmt::join(values, ",")); }

/// Weights of another program, or of a release that wrote no such thing.
void take_usual_settings(const GivenWeights& weights, const std::function<bool(const std::string&)>& is_given,
                         const std::function<void(const std::string&)>& note, TrainConfig& config) {
  const UsualImages usual = usual_images(weights.info.model);
  std::vector<std::string> taken;
  std::vector<std::string> options;
  const auto take = [&](const std::string& option, const std::string& text) {
    if (is_given(option)) return;
    taken.push_back(text);
    options.push_back("--" + option);
  };
  config.image_size = usual.image_size;
  config.mean = usual.normalisation.mean;
  config.std = usual.normalisation.std;
  take("image-size", fmt::format("{0} x {0} pixels", usual.image_size));
  take("mean", "mean " + numbers(config.mean));
  take("std", "std " + numbers(config.std));
  take("fit", "fit crop");
  if (taken.empty()) return;
  note(fmt::format("{} doesn't say what its images were like: taken as {} ({}); {} say{} otherwise",
                   weights.path.string(), fmt::join(taken, ", "), usual.name, fmt::join(options, ", "),
                   options.size() == 1 ? "s" : ""));
}

std::vector<std::string> names_in(const std::string& text, char separator) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t length = std::min(text.find(separator, begin), text.size()) - begin;
    names.push_back(text.substr(begin, length));
    begin += length + 1;
  }
  return names;
}

std::vector<std::string> names_of_file(const fs::path& path) {
  std::vector<std::string> names = names_in(read_given_text(path), '\n');
  for (std::string& name : names)
    if (name.ends_with('\r')) name.pop_back();
  while (!names.empty() && names.back().empty()) names.pop_back();
  return names;
}

std::vector<std::string> given_names(const std::string& given, int classes) {
  std::error_code ignored;
  const bool is_file = fs::exists(given, ignored);
  const std::vector<std::string> names = is_file ? names_of_file(given) : names_in(given, ',');
  if (std::ssize(names) != classes)
    fail_usage("--class-names {}: found {}{}, expected one for each of the network's {}", given,
               counted(names.size(), "name"), is_file ? "" : " (there is no such file)",
               counted(classes, "class", "classes"));
  return names;
}

}  // namespace

void take_image_settings(const GivenWeights& weights, const std::function<bool(const std::string&)>& is_given,
                         const std::function<void(const std::string&)>& note, TrainConfig& config) {
  const CheckpointInfo& info = weights.info;
  if (weights.run) {
    config = read_run_config(*weights.run);
    config.broken_files = BrokenFiles::refuse;  // the run's is about the images that it was trained on
  }
  config.image_size = task_of(info.model).image_size;
  if (!info.fit.empty()) config.fit = info.fit == "stretch" ? Fit::stretch : Fit::crop;
  if (!info.mean.empty()) {
    config.mean = info.mean;
    config.std = info.std;
  }
  if (config.mean.empty() || config.std.empty()) take_usual_settings(weights, is_given, note, config);
}

ImageReaderOptions image_reader_options(const TrainConfig& config, const ModelConfig& model) {
  const int channels = task_of(model).channels;
  for (const auto& [key, values] : {std::pair("mean", &config.mean), std::pair("std", &config.std)}) {
    if (std::ssize(*values) != channels)
      fail_usage("{} has {}: expected {}, one for each colour", key, counted(values->size(), "value"), channels);
  }
  return {.image_size = config.image_size,
          .channels = channels,
          .fit = config.fit,
          .normalisation = {config.mean, config.std}};
}

std::vector<std::string> class_names_for(const GivenWeights& weights, const std::string& given,
                                         const std::function<void(const std::string&)>& note) {
  const int classes = task_of(weights.info.model).classes;
  if (!given.empty()) return given_names(given, classes);
  if (!weights.info.class_names.empty()) return weights.info.class_names;
  std::vector<std::string> names = known_class_names(weights.info.dataset);
  if (std::ssize(names) == classes) return names;
  note(fmt::format("{} doesn't say what its classes are called: they go by their numbers; --class-names names them",
                   weights.path.string()));
  names.clear();
  for (int label = 0; label < classes; ++label) names.push_back(fmt::format("{}", label));
  return names;
}

}  // namespace convmixer::tool

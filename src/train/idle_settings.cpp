#include "convmixer/train/idle_settings.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/data/dataset_names.hpp"
#include "convmixer/train/config.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace convmixer {
namespace {

/// What a setting needs to do anything. Others that are refused wherever they come from are with the checks of their
/// group.
struct Need {
  std::string_view setting;
  std::string_view needs;  ///< "optimizer = sgd"
  bool (*is_met)(const TrainConfig&);
};

bool has_moments(const TrainConfig& c) { return c.optimizer.kind != OptimizerKind::sgd; }
bool is_folder(const TrainConfig& c) { return c.dataset == kFolderDataset || c.dataset == kAutoDataset; }
bool has_erasing(const TrainConfig& c) { return c.augmentation.erasing.probability > 0.0F; }
bool has_resized_crop(const TrainConfig& c) { return c.augmentation.resized_crop.is_on(); }
bool falls_to_minimum(const TrainConfig& c) {
  return c.schedule != ScheduleKind::piecewise_linear || c.bends.knee_at < 1.0;
}
bool is_cifar(const TrainConfig& c) {
  return c.dataset == kCifar10Dataset || c.dataset == kCifar100Dataset || c.dataset == kCifar100CoarseDataset ||
         c.dataset == kAutoDataset;
}

bool has_block_to_drop(const TrainConfig& c) {
  return std::visit(
      [](const auto& model) {
        if constexpr (requires { model.depth; }) return model.depth > 1;
        return true;
      },
      c.model);
}

constexpr std::string_view kMoments = "optimizer = adamw, adam or muon";
constexpr std::string_view kFolder = "a folder of images";

constexpr std::array kNeeds{
    Need{"momentum", "optimizer = sgd", [](const TrainConfig& c) { return c.optimizer.kind == OptimizerKind::sgd; }},
    Need{"beta1", kMoments, has_moments},
    Need{"beta2", kMoments, has_moments},
    Need{"epsilon", kMoments, has_moments},
    Need{"decay-norm-and-bias", "weight-decay", [](const TrainConfig& c) { return c.optimizer.weight_decay > 0.0F; }},
    Need{"min-lr", "knee-at below 1", falls_to_minimum},
    Need{"drop-path", "depth above 1: it grows from 0 at the first block", has_block_to_drop},
    Need{"pad-mode", "pad-crop", [](const TrainConfig& c) { return c.augmentation.pad_crop > 0; }},
    Need{"resized-crop-ratio", "resized-crop", has_resized_crop},
    Need{"resized-crop-filter", "resized-crop", has_resized_crop},
    Need{"random-erasing-scale", "random-erasing", has_erasing},
    Need{"random-erasing-ratio", "random-erasing", has_erasing},
    Need{"random-erasing-fill", "random-erasing", has_erasing},
    Need{"allow-partial", "CIFAR's files", is_cifar},
    Need{"train-folder", kFolder, is_folder},
    Need{"test-folder", kFolder, is_folder},
    Need{"test-choice", kFolder, is_folder},
    Need{"fit", kFolder, is_folder},
    Need{"broken-files", kFolder, is_folder},
    Need{"data-cache", kFolder, is_folder}};

/// As text; of a setting that several models have, the chosen model's.
std::string value_in(TrainConfig config, std::string_view setting) {
  for (const OptionGroup& group : config_options(config)) {
    const auto option =
        std::ranges::find_if(group.options, [&](const Option& each) { return each.name == setting && each.applies(); });
    if (option != group.options.end()) return option->write();
  }
  return {};
}

}  // namespace

void refuse_idle_settings(const TrainConfig& config, std::span<const Assignment> given) {
  for (const Assignment& assignment : given) {
    const auto* const need = std::ranges::find(kNeeds, assignment.key, &Need::setting);
    if (need == kNeeds.end() || need->is_met(config)) continue;
    if (value_in(config, need->setting) != value_in(TrainConfig{}, need->setting))
      fail_usage("{}: has no effect without {}", assignment.where, need->needs);
  }
}

}  // namespace convmixer

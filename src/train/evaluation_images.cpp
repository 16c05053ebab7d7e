#include "convmixer/train/evaluation_images.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/data/data_identity.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/data/relabel.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/run_images.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <vector>

namespace convmixer {
namespace {

Split opened_split(EvaluatedSplit split) { return split == EvaluatedSplit::holdout ? Split::train : Split::test; }

/// Nothing if the labels are the data's own.
std::unique_ptr<Dataset> under_labels_of(const std::filesystem::path& weights, const CheckpointInfo& info,
                                         const Dataset& images, const std::string& dataset,
                                         const std::function<void(const std::string&)>& note) {
  const std::vector<std::string>& names = info.class_names;
  if (names.empty()) {
    if (const int classes = task_of(info.model).classes; images.classes() != classes) {
      fail_usage("{} tells {} apart, but {} has {}", weights.string(), counted(classes, "class", "classes"), dataset,
                 images.classes());
    }
    return nullptr;
  }
  if (storable_names(images.class_names()) == names) return nullptr;
  try {
    auto relabelled = relabel(images, names);
    note(fmt::format("note: labels are matched by the classes' names: the data has {}, the weights know {}",
                     list_class_names(images.class_names()), list_class_names(names)));
    return relabelled;
  } catch (const Error& error) {
    fail_usage("{}: {}; give the data's classes the names that the weights know them by", weights.string(),
               error.what());
  }
}

}  // namespace

std::string name_of(EvaluatedSplit split) { return split == EvaluatedSplit::holdout ? "holdout" : "test"; }

std::string images_of(EvaluatedSplit split) {
  return split == EvaluatedSplit::holdout ? "held-out images" : "test images";
}

std::string change_since_training(const CheckpointInfo& info, EvaluatedSplit split, const Dataset& images) {
  std::map<std::string, std::string> text = info.data;
  text["class_names"] = nlohmann::json(info.class_names).dump();
  const auto trained = identity_from(text);
  if (!trained) return "";
  const bool is_test = split == EvaluatedSplit::test;
  return describe_change(is_test ? trained->test : trained->train, identify(images), trained->class_names,
                         is_test ? "test" : "training");
}

EvaluationImages::EvaluationImages(const TrainConfig& config, EvaluatedSplit split,
                                   const std::filesystem::path& weights, const CheckpointInfo& info,
                                   const std::function<void(const std::string&)>& note)
    : opened_(open_dataset(dataset_options(config, opened_split(split), note), opened_split(split))),
      relabelled_(under_labels_of(weights, info, *opened_, config.dataset, note)),
      parts_(split == EvaluatedSplit::holdout ? split_holdout(config, all()) : HoldoutSplit{}) {}

}  // namespace convmixer

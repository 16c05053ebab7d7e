/// The images that trained weights are evaluated on, under the labels that the weights know.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/data/dataset.hpp"
#include "convmixer/data/holdout.hpp"
#include "convmixer/train/train_config.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace convmixer {

enum class EvaluatedSplit {
  test,
  holdout,  ///< the training images that a run set aside
};

/// "test", "holdout".
[[nodiscard]] std::string name_of(EvaluatedSplit split);
/// "test images", "held-out images".
[[nodiscard]] std::string images_of(EvaluatedSplit split);

/// In what all images of the split that was opened aren't those that the weights know: describe_change's text; empty if
/// they are, or where the weights don't say.
[[nodiscard]] std::string change_since_training(const CheckpointInfo& info, EvaluatedSplit split,
                                                const Dataset& images);

class EvaluationImages {
 public:
  /// Opens the data that a configuration names; `note` is told a line each of what is odd, that labels are matched by
  /// the classes' names among it. `weights` are named in messages. Throws as open_dataset does, Error (usage) for
  /// other classes than the weights know, and as split_holdout does.
  EvaluationImages(const TrainConfig& config, EvaluatedSplit split, const std::filesystem::path& weights,
                   const CheckpointInfo& info, const std::function<void(const std::string&)>& note);

  [[nodiscard]] const Dataset& images() const noexcept { return parts_.holdout ? *parts_.holdout : all(); }
  /// Of the split that was opened: all training images, if some of these are evaluated.
  [[nodiscard]] const Dataset& all() const noexcept { return relabelled_ ? *relabelled_ : *opened_; }

 private:
  std::unique_ptr<Dataset> opened_;
  std::unique_ptr<Dataset> relabelled_;  // if the weights' labels are others
  HoldoutSplit parts_;                   // of all(); empty for test images
};

}  // namespace convmixer

/// Everything that decides a training run, as a plain structure; config.hpp has its settings by name.
#pragma once

#include "convmixer/data/augment/mix_options.hpp"
#include "convmixer/data/dataset_options.hpp"
#include "convmixer/data/holdout.hpp"
#include "convmixer/data/image_sizes.hpp"
#include "convmixer/data/loader_options.hpp"
#include "convmixer/model/depthwise_initialisation.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/optim/make_optimizer.hpp"
#include "convmixer/optim/schedule.hpp"
#include "convmixer/optim/weight_average.hpp"
#include "convmixer/plan/plan_options.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace convmixer {

/// What becomes of the classifier of the weights that a run begins with.
enum class InitHead {
  keep,   ///< kept; the classes are the data's
  match,  ///< kept for the classes whose names the data has; new, of random weights, for its others
  fresh,  ///< new, of random weights
};

/// What the stem of a network of random weights begins as.
enum class StemInitialisation {
  standard,  ///< as Parameters::initialise leaves it
  whitened,  ///< by the training images (model/stem_whitening.hpp)
};

/// The settings of `convmixer train`; those of the other commands are among them.
struct TrainConfig {
  // Model. Its task (image size, channels, classes) comes with the data set: model_config puts the two together.
  ModelConfig model = models().front().defaults;
  int image_size = 0;  ///< 0: the data set's

  // Initial weights
  std::filesystem::path init;  ///< weights file to begin with (initial_weights.hpp); empty: random weights
  InitHead init_head = InitHead::keep;
  StemInitialisation stem_init = StemInitialisation::standard;
  DepthwiseInitialisation depthwise_init = DepthwiseInitialisation::standard;
  GaussianFilters depthwise_filters;  ///< of depthwise_init = gaussian
  std::string freeze;                 ///< parts that aren't trained (model/freeze.hpp): "stem,blocks.0-3"; needs init

  // Data
  std::string dataset = "auto";  ///< see recognise_dataset
  std::filesystem::path data;
  std::int64_t train_images = 0;  ///< 0: all
  std::int64_t test_images = 0;   ///< 0: all
  HoldoutSize holdout;            ///< of the training images: what epochs go by, in the place of the test images
  std::optional<std::uint64_t> holdout_seed;  ///< which ones; nothing: that of the run
  bool allow_partial = false;                 ///< of CIFAR
  Fit fit = Fit::crop;                        ///< of a folder's images, as the next five
  BrokenFiles broken_files = BrokenFiles::refuse;
  std::filesystem::path train_folder;
  std::filesystem::path test_folder;
  TestChoice test_choice = TestChoice::name;
  std::filesystem::path data_cache;
  std::vector<float> mean;  ///< empty: the data set's usual
  std::vector<float> std;
  std::int64_t batch_size = 128;
  std::int64_t micro_batch = 0;        ///< images of it at a time; 0: all (Network::set_micro_batch)
  std::int64_t eval_batch_size = 200;  // divides the test sets of CIFAR and shapes
  bool drop_last = false;
  int prefetch = 4;

  Augmentation augmentation{.pad_crop = 4, .horizontal_flip = true};
  MixOptions mix;

  // Optimiser and schedule
  OptimizerOptions optimizer{.weight_decay = 0.05F};
  float label_smoothing = 0.0F;
  ScheduleKind schedule = ScheduleKind::piecewise_linear;
  float lr = 0.01F;      ///< the schedule's peak
  float muon_lr = 0.0F;  ///< muon: the peak for its matrices; 0: lr
  float warmup_epochs = 0.0F;
  float min_lr = 0.0F;
  PiecewiseLinear bends;    ///< of a piecewise linear schedule
  int epochs = 25;          ///< of the schedule; 0, with init: its weights are evaluated and saved as they are
  int cooldown_epochs = 0;  ///< after it, at its last learning rate, which must be above 0
  std::vector<ImageSizeShare> image_sizes;  ///< of the schedule's epochs; empty: images keep their size
  std::uint64_t seed = 1;
  WeightAverageOptions average;                   ///< of the weights: evaluated beside them, saved in their place
  std::int64_t average_statistics_images = 5000;  ///< training images for its statistics, where they are recomputed

  // Machine
  std::string precision = "auto";
  PlanKind plan = PlanKind::automatic;
  NormRanks batch_norm = NormRanks::sync;         ///< of several ranks (Network::set_norm_ranks)
  LayoutPolicy layout = LayoutPolicy::automatic;  ///< fused plans take automatic alone
  int threads = 0;                                ///< 0: see choose_thread_count
  bool pin_threads = false;

  // Run
  std::filesystem::path out;
  std::string name;               ///< what people call the run; empty: by its folder
  std::vector<std::string> tags;  ///< by which it is found again
  std::string note;
  int eval_interval = 1;           ///< epochs from one evaluation to the next; 0: after the last epoch only
  int patience = 0;                ///< epochs without a better accuracy; 0: no limit
  double until_accuracy = 0.0;     ///< the training ends with an epoch of at least that; 0: no limit
  std::int64_t max_time = 0;       ///< seconds; 0: no limit
  std::int64_t log_interval = 50;  ///< steps between step records; 0: none
  float save_interval = 5.0F;      ///< minutes; 0: at the ends of epochs only
  bool tensorboard = false;        ///< event files in the run folder
  bool quiet = false;
};

}  // namespace convmixer

/// Everything that decides a training run, as settings of an INI file or of the command line.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/data/dataset_options.hpp"
#include "convmixer/data/loader.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/optim/make_optimizer.hpp"
#include "convmixer/optim/schedule.hpp"
#include "convmixer/plan/plan_options.hpp"
#include "convmixer/train/option.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace convmixer {

/// What becomes of the classifier of the weights that a run begins with.
enum class InitHead {
  keep,   ///< kept; the classes are the data's
  match,  ///< kept for the classes whose names the data has; new, of random weights, for its others
  fresh,  ///< new, of random weights
};

/// The settings of `convmixer train`; those of the other commands are among them.
struct TrainConfig {
  // Model. Its task (image size, channels, classes) comes with the data set: model_config puts the two together.
  ModelConfig model = models().front().defaults;
  int image_size = 0;  ///< 0: the data set's

  // Initial weights
  std::filesystem::path init;  ///< weights file to begin with (initial_weights.hpp); empty: random weights
  InitHead init_head = InitHead::keep;
  std::string freeze;  ///< parts that aren't trained (model/freeze.hpp): "stem,blocks.0-3"; needs init

  // Data
  std::string dataset = "auto";  ///< see recognise_dataset
  std::filesystem::path data;
  std::int64_t train_images = 0;  ///< 0: all
  std::int64_t test_images = 0;   ///< 0: all
  bool allow_partial = false;     ///< of CIFAR
  Fit fit = Fit::crop;            ///< of a folder's images, as the next five
  BrokenFiles broken_files = BrokenFiles::refuse;
  std::filesystem::path train_folder;
  std::filesystem::path test_folder;
  TestChoice test_choice = TestChoice::name;
  std::filesystem::path data_cache;
  std::vector<float> mean;  ///< empty: the data set's usual
  std::vector<float> std;
  std::int64_t batch_size = 128;
  std::int64_t eval_batch_size = 200;  // divides the test sets of CIFAR and shapes
  bool drop_last = false;
  int prefetch = 4;

  Augmentation augmentation{.pad_crop = 4, .horizontal_flip = true};
  MixOptions mix;

  // Optimiser and schedule
  OptimizerOptions optimizer{.weight_decay = 0.05F};
  float label_smoothing = 0.0F;
  ScheduleKind schedule = ScheduleKind::piecewise_linear;
  float lr = 0.01F;  ///< the schedule's peak
  float warmup_epochs = 0.0F;
  float min_lr = 0.0F;
  int epochs = 25;          ///< of the schedule; 0, with init: its weights are evaluated and saved as they are
  int cooldown_epochs = 0;  ///< after it, at its last learning rate, which must be above 0
  std::uint64_t seed = 1;

  // Machine
  std::string precision = "auto";
  PlanKind plan = PlanKind::automatic;
  LayoutPolicy layout = LayoutPolicy::automatic;  ///< any other has plain plans alone
  int threads = 0;                                ///< 0: see choose_thread_count
  bool pin_threads = false;

  // Run
  std::filesystem::path out;
  int patience = 0;                ///< epochs without a better test accuracy; 0: no limit
  std::int64_t max_time = 0;       ///< seconds; 0: no limit
  std::int64_t log_interval = 50;  ///< steps between step records; 0: none
  float save_interval = 5.0F;      ///< minutes; 0: at the ends of epochs only
  bool quiet = false;
};

/// The settings in groups (Model, Initial weights, Data, Augmentation, Optimiser, Machine, Run), each declared here and
/// nowhere else. `config` must outlive them. select_options takes the part that a tool has use for.
[[nodiscard]] std::vector<OptionGroup> config_options(TrainConfig& config);

/// The names of the options that describe a network, whichever model: the first group's.
[[nodiscard]] std::vector<std::string> model_option_names();

/// The settings of an INI file; those it doesn't mention are at their defaults. Throws Error naming file, line and key.
[[nodiscard]] TrainConfig read_config(const std::filesystem::path& path);

/// INI text that sets every key that applies, and runs again as it is.
[[nodiscard]] std::string to_ini(const TrainConfig& config);

/// Key and value of every setting that has a say in what a run computes: a run can only go on while they stay. The
/// number of epochs is among them unless the learning rate is constant: it stretches the schedule.
[[nodiscard]] std::map<std::string, std::string> fingerprint(const TrainConfig& config);

/// Throws Error (usage) naming a setting that config.ini couldn't give back: one beyond the limits of its option, which
/// programs that fill in a TrainConfig may have, or a path that an INI file can't hold.
void require_storable(const TrainConfig& config);

/// Puts the name of the data set that there is at config.data in place of "auto". Throws Error when it is unknown.
void recognise_dataset(TrainConfig& config);

/// Fills in what depends on data and machine: the data set's name, image size, mean and std, precision. Throws Error
/// (usage) as require_storable does, naming the key for a value that doesn't fit the data set, and for
/// values that don't go together. Of precision = auto it makes bf16 wherever the
/// CPU has instructions for it; precision_choice.hpp has another for trainings that begin.
void resolve(TrainConfig& config, const Dataset& dataset);

/// How many epochs a run has: the schedule's and those after it.
[[nodiscard]] std::int64_t total_epochs(const TrainConfig& config);
/// Whether a run can be extended: its last learning rate isn't 0.
[[nodiscard]] bool can_be_extended(const TrainConfig& config);
/// Adds epochs to a run that has finished `epochs_done`, and so all that it was planned for: as if it had been planned
/// with them. Throws Error (usage) saying what to do instead for a run that can't be extended, and for one that isn't
/// finished.
void extend(TrainConfig& config, std::int64_t epochs_done, int more_epochs);

/// The parts of a configuration, in the terms of the modules that they are for.
/// The model for images of config.image_size.
[[nodiscard]] ModelConfig model_config(const TrainConfig& config, int channels, int classes);
[[nodiscard]] DatasetOptions dataset_options(const TrainConfig& config, Split split,
                                             std::function<void(const std::string&)> note = {});
/// Augmented and shuffled for training; in order and plain for the test set.
[[nodiscard]] LoaderOptions loader_options(const TrainConfig& config, Split split);
[[nodiscard]] ThreadPinning thread_pinning(const TrainConfig& config);
[[nodiscard]] Schedule make_schedule(const TrainConfig& config, std::int64_t steps_per_epoch);

}  // namespace convmixer

#include "convmixer/train/config.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/plan/engine.hpp"
#include "convmixer/train/image_size_schedule.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/run_length.hpp"
#include "train/augmentation_options.hpp"
#include "train/averaging_options.hpp"
#include "train/data_options.hpp"
#include "train/holdout_options.hpp"
#include "train/initial_weights_options.hpp"
#include "train/mixing_options.hpp"
#include "train/model_options.hpp"
#include "train/optimizer_options.hpp"
#include "train/schedule_options.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace convmixer {
namespace {

OptionGroup model_group(TrainConfig& c) {
  OptionGroup group{"Model", model_options(c.model)};
  group.options.push_back(
      integer_option("image-size", c.image_size, 0, kLargestImageSize, "pixels in each direction; 0: the data set's"));
  return group;
}

OptionGroup machine_group(TrainConfig& c) {
  return {
      "Machine",
      {choice_option("precision", c.precision, {"auto", "f32", "bf16"},
                     "auto: bf16 where it is the faster one; chosen once, when a run begins"),
       // All plans compute the same up to rounding: a run may go on with another one.
       changeable(choice_option("plan", c.plan,
                                {{"automatic", PlanKind::automatic},
                                 {"plain", PlanKind::plain},
                                 {"fused", PlanKind::fused},
                                 {"onednn", PlanKind::onednn}},
                                "fused: stages that keep images in the cache; plain: operation by operation; onednn: "
                                "by oneDNN's primitives alone")),
       choice_option("batch-norm", c.batch_norm, {{"sync", NormRanks::sync}, {"local", NormRanks::local}},
                     "where several ranks train together: statistics of all their images, or of each rank's share"),
       choice_option("layout", c.layout,
                     {{"automatic", LayoutPolicy::automatic},
                      {"channels-last", LayoutPolicy::channels_last},
                      {"blocked", LayoutPolicy::blocked}},
                     "of activations in memory; fused plans take automatic alone"),
       changeable(integer_option(
           "threads", c.threads, 0, std::numeric_limits<int>::max(),
           "0: physical cores that this process may use, or OMP_NUM_THREADS; fewer by SLURM_CPUS_PER_TASK or a "
           "CPU quota. At most 8 for each CPU, or 64 where that is more")),
       changeable(switch_option("pin-threads", c.pin_threads,
                                "a CPU of its own for each thread of fused plans and loader, physical cores first; "
                                "OpenMP's threads of plain plans go where OMP_PROC_BIND says"))}};
}

OptionGroup run_group(TrainConfig& c) {
  return {
      "Run",
      {changeable(path_option("out", c.out, "FOLDER", "run folder; runs/NAME of configuration or data set")),
       changeable(text_option("name", c.name, "what the run is called in lists, reports and pages, beside its folder")),
       changeable(tags_option("tag", c.tags, "to find it again by; may be given several times")),
       changeable(text_option("note", c.note, "what is to be remembered of it")),
       changeable(integer_option("eval-interval", c.eval_interval, 0, 1000000,
                                 "evaluate after every so many epochs, and after the last; 0: after the last only")),
       changeable(integer_option("patience", c.patience, 0, 1000000,
                                 "stop after so many epochs without better accuracy; 0: never")),
       changeable(number_option("until-accuracy", c.until_accuracy, 0.0, 1.0,
                                "stop after the first epoch that reaches it, say 0.94, on the images of holdout, or "
                                "else of the test; 0: never")),
       changeable(
           duration_option("max-time", c.max_time, "stop after so much time in training, say 2h or 1h30m; 0s: never")),
       changeable(integer_option("log-interval", c.log_interval, std::int64_t{0}, kAnyInteger,
                                 "steps between two step records of metrics.jsonl; 0: none")),
       changeable(number_option("save-interval", c.save_interval, 0.0F, 1e6F,
                                "minutes between two saves within an epoch; 0: at its end only")),
       changeable(switch_option("tensorboard", c.tensorboard,
                                "write event files for TensorBoard into the run folder as well: scalars, histograms of "
                                "weights and gradients, filters; 'tensorboard --logdir runs' shows all runs")),
       changeable(switch_option("quiet", c.quiet, "print nothing but errors"))}};
}

void check_combinations(const TrainConfig& c) {
  check_initial_weights_options(c);
  check_holdout_options(c);
  if (c.init.empty() && c.epochs == 0) fail_usage("epochs = 0: expected at least 1, or init with weights to save");
  check_schedule_options(c);
  check_kind_and_layout(c.plan, c.layout);
  check_optimizer_options(c);
  check_averaging_options(c);
  check_evaluated_epochs(c);
}

void check_channels(const std::string& key, const std::vector<float>& values, const Dataset& dataset) {
  if (static_cast<int>(values.size()) != dataset.channels()) {
    fail_usage("{} has {}: expected {}, one for each colour", key, counted(values.size(), "value"), dataset.channels());
  }
}

}  // namespace

std::vector<OptionGroup> config_options(TrainConfig& config) {
  return {model_group(config),        initial_weights_options(config),
          data_options(config),       augmentation_options(config.augmentation),
          mixing_options(config.mix), optimizer_options(config),
          schedule_options(config),   averaging_options(config),
          machine_group(config),      run_group(config)};
}

std::vector<std::string> model_option_names() {
  TrainConfig config;
  std::vector<std::string> names;
  for (const Option& option : model_group(config).options) names.push_back(option.name);
  return names;
}

TrainConfig read_config(const std::filesystem::path& path) {
  TrainConfig config;
  const std::vector<OptionGroup> options = config_options(config);
  assign(options, parse_ini_file(options, path));
  return config;
}

std::string to_ini(const TrainConfig& config) {
  TrainConfig copy = config;
  return to_ini(config_options(copy));
}

std::map<std::string, std::string> fingerprint(const TrainConfig& config) {
  TrainConfig copy = config;
  std::map<std::string, std::string> values;
  for (const OptionGroup& group : config_options(copy)) {
    for (const Option& option : group.options) {
      if (option.applies() && !option.changeable) values[option.name] = option.write();
    }
  }
  return values;
}

void require_storable(const TrainConfig& config) {
  TrainConfig copy = config;
  for (const OptionGroup& group : config_options(copy)) {
    for (const Option& option : group.options) {
      if (!option.applies()) continue;
      const std::string value = option.write();
      if (!option.read(value)) fail_usage("{} = {}: expected {}", option.name, value, option.expected);
    }
  }
}

void recognise_dataset(TrainConfig& config) {
  if (config.dataset == kAutoDataset) config.dataset = recognise_dataset(dataset_options(config, Split::train));
}

void resolve(TrainConfig& config, const Dataset& dataset) {
  require_storable(config);
  recognise_dataset(config);
  check_combinations(config);
  check_mixing(config.mix);
  if (config.image_size != 0 && config.image_size != dataset.image_size()) {
    fail_usage("image-size {} doesn't fit the data set {}: its images have {} x {} pixels", config.image_size,
               config.dataset, dataset.image_size(), dataset.image_size());
  }
  config.image_size = dataset.image_size();
  check_image_sizes(config, model_config(config, dataset.channels(), dataset.classes()));
  check_augmentation(config.augmentation, {dataset.channels(), dataset.image_size(), dataset.image_size()});
  if (config.mean.empty() || config.std.empty()) {
    const Normalisation usual = dataset.normalisation();
    if (config.mean.empty()) config.mean = usual.mean;
    if (config.std.empty()) config.std = usual.std;
  }
  check_channels("mean", config.mean, dataset);
  check_channels("std", config.std, dataset);
  config.precision = to_string(choose_precision(config.precision));
}

ModelConfig model_config(const TrainConfig& config, int channels, int classes) {
  return with_task(config.model, {.image_size = config.image_size, .channels = channels, .classes = classes});
}

DatasetOptions dataset_options(const TrainConfig& config, Split split, std::function<void(const std::string&)> note) {
  return {.name = config.dataset,
          .path = config.data,
          .limit = split == Split::train ? config.train_images : config.test_images,
          .note = std::move(note),
          .allow_partial = config.allow_partial,
          .image_size = config.image_size,
          .fit = config.fit,
          .broken_files = config.broken_files,
          .train_folder = config.train_folder.string(),
          .test_folder = config.test_folder.string(),
          .test_choice = config.test_choice,
          .cache = config.data_cache,
          .threads = config.threads};
}

LoaderOptions loader_options(const TrainConfig& config, Split split) {
  LoaderOptions options;
  options.seed = config.seed;
  options.prefetch = config.prefetch;
  options.normalisation = {config.mean, config.std};
  options.batch_size = config.eval_batch_size;
  if (split == Split::train) {
    options.batch_size = config.batch_size;
    options.micro_batch = config.micro_batch;
    options.shuffle = true;
    options.drop_last = config.drop_last;
    options.augmentation = config.augmentation;
    options.mix = config.mix;
    options.image_sizes = image_size_stretches(config);
  }
  return options;
}

ThreadPinning thread_pinning(const TrainConfig& config) {
  return config.pin_threads ? ThreadPinning::one_cpu_each : ThreadPinning::none;
}

Schedule make_schedule(const TrainConfig& config, std::int64_t steps_per_epoch) {
  return {
      .kind = config.schedule,
      .peak = config.lr,
      .total_steps = std::max<std::int64_t>(1, steps_per_epoch * config.epochs),
      .warmup_steps = std::llround(static_cast<double>(config.warmup_epochs) * static_cast<double>(steps_per_epoch)),
      .minimum = config.min_lr,
      .bends = config.bends};
}

}  // namespace convmixer

#include "convmixer/train/config.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/plan/engine.hpp"
#include "convmixer/train/option_parser.hpp"
#include "core/ascii.hpp"
#include "train/augmentation_options.hpp"
#include "train/mixing_options.hpp"
#include "train/model_options.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

namespace convmixer {
namespace {

constexpr float kAnyNumber = std::numeric_limits<float>::max();
constexpr std::int64_t kAnyInteger = std::numeric_limits<std::int64_t>::max();

OptionGroup model_group(TrainConfig& c) {
  OptionGroup group{"Model", model_options(c.model)};
  group.options.push_back(
      integer_option("image-size", c.image_size, 0, kLargestImageSize, "pixels in each direction; 0: the data set's"));
  return group;
}

Option freeze_option(std::string& parts) {
  return {"freeze",
          "PARTS",
          "parts of init's network that stay as they are, of stem, blocks.0, blocks.1, ... and head: stem,blocks.0-3; "
          "their norms normalise with their running statistics",
          "names of parts with commas between them",
          [&parts](const std::string& text) {
            const auto is_name = [](char c) {
              return (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || (c >= '0' && c <= '9') ||
                     std::string_view("_.,-").find(c) != std::string_view::npos;
            };
            if (!std::ranges::all_of(text, is_name)) return false;
            parts = text;
            return true;
          },
          [&parts] { return parts; }};
}

OptionGroup init_group(TrainConfig& c) {
  return {"Initial weights",
          {// What the weights are is compared by the file's content.
           changeable(
               path_option("init", c.init, "FILE",
                           "begin with these weights: safetensors or torch.save's, under the names of timm, locuslab "
                           "or labml.ai, or a run folder's best; sizes, mean and std are theirs unless given")),
           choice_option("init-head", c.init_head,
                         {{"keep", InitHead::keep}, {"match", InitHead::match}, {"new", InitHead::fresh}},
                         "its classifier: keep, for the same classes; match, for those of the same names; new"),
           freeze_option(c.freeze)}};
}

OptionGroup data_group(TrainConfig& c) {
  return {"Data",
          {choice_option("dataset", c.dataset, {kDatasetNames.begin(), kDatasetNames.end()},
                         "auto: what --data holds, or shapes, without files; cifar100-coarse: its 20 superclasses"),
           changeable(path_option("data", c.data, "PATH",
                                  "CIFAR's archive or files; folder of class folders with PNG, JPEG or PPM files")),
           integer_option("train-images", c.train_images, 0, kAnyInteger, "train on so many; 0: all"),
           integer_option("test-images", c.test_images, 0, kAnyInteger, "test on so many; 0: all"),
           changeable(switch_option("allow-partial", c.allow_partial,
                                    "CIFAR: files may have more or fewer images than the published ones")),
           changeable(path_option("train-folder", c.train_folder, "NAME",
                                  "folder: its part that holds the training images; train, training if not given")),
           changeable(path_option("test-folder", c.test_folder, "NAME",
                                  "folder: its part that epochs are tested on; val, test, ... if not given")),
           choice_option("fit", c.fit, {{"crop", Fit::crop}, {"stretch", Fit::stretch}},
                         "folder: how images are made square"),
           choice_option("broken-files", c.broken_files, {{"refuse", BrokenFiles::refuse}, {"skip", BrokenFiles::skip}},
                         "folder: what to do about images that can't be decoded"),
           // The data itself is compared when a run goes on: that two ways of choosing differ is seen there.
           changeable(choice_option(
               "test-choice", c.test_choice, {{"name", TestChoice::name}, {"path", TestChoice::path}},
               "folder without test images: by what of its files a tenth is set aside; path, with the class, "
               "as earlier releases did")),
           changeable(path_option("data-cache", c.data_cache, "FOLDER",
                                  "folder: where decoded images are kept; ~/.cache/convmixer if not given")),
           list_option("mean", c.mean, -kAnyNumber, "of each colour, pixels being 0 to 1; the data set's if not given"),
           list_option("std", c.std, 1e-6F, "standard deviation, likewise"),
           integer_option("batch-size", c.batch_size, std::int64_t{1}, 65536, "images of a training step"),
           changeable(integer_option("eval-batch-size", c.eval_batch_size, std::int64_t{1}, 65536,
                                     "images evaluated together; divides the test set best")),
           switch_option("drop-last", c.drop_last, "leave out an epoch's last batch if it isn't full"),
           changeable(integer_option("prefetch", c.prefetch, 1, 1024, "batches prepared ahead of the step"))}};
}

OptionGroup optimizer_group(TrainConfig& c) {
  OptimizerOptions& o = c.optimizer;
  const Option epochs = integer_option("epochs", c.epochs, 0, 1000000,
                                       "passes over the training images; 0: save the weights of --init as they are");
  return {
      "Optimiser",
      {c.schedule == ScheduleKind::constant ? changeable(epochs) : epochs,
       choice_option("optimizer", o.kind,
                     {{"adamw", OptimizerKind::adamw}, {"adam", OptimizerKind::adam}, {"sgd", OptimizerKind::sgd}},
                     "as PyTorch defines them"),
       number_option("lr", c.lr, 0.0F, kAnyNumber, "learning rate, the schedule's highest"),
       choice_option("schedule", c.schedule,
                     {{"constant", ScheduleKind::constant},
                      {"piecewise-linear", ScheduleKind::piecewise_linear},
                      {"cosine", ScheduleKind::cosine}},
                     "of the learning rate"),
       number_option("warmup-epochs", c.warmup_epochs, 0.0F, 1e6F, "cosine: epochs of rising learning rate"),
       number_option("min-lr", c.min_lr, 0.0F, kAnyNumber, "cosine: learning rate at the end"),
       changeable(integer_option("cooldown-epochs", c.cooldown_epochs, 0, 1000000,
                                 "epochs after those of the schedule, at its last learning rate: constant, or cosine "
                                 "with min-lr")),
       number_option("weight-decay", o.weight_decay, 0.0F, kAnyNumber, "adamw: decoupled; adam and sgd: L2"),
       switch_option("decay-norm-and-bias", o.decay_norm_and_bias, "weight decay for biases and norms as well"),
       number_option("beta1", o.beta1, 0.0F, 0.999999F, "adam and adamw: decay of the mean gradient"),
       number_option("beta2", o.beta2, 0.0F, 0.9999999F, "adam and adamw: decay of the mean squared gradient"),
       number_option("epsilon", o.epsilon, 0.0F, 1.0F, "adam and adamw: added to the denominator"),
       number_option("momentum", o.momentum, 0.0F, 0.999999F, "sgd"),
       switch_option("nesterov", o.nesterov, "sgd: Nesterov momentum"),
       number_option("clip-norm", o.clip_norm, 0.0F, kAnyNumber, "largest norm of all gradients together; 0: any"),
       number_option("label-smoothing", c.label_smoothing, 0.0F, 0.999999F, "share of the target spread over classes"),
       integer_option("seed", c.seed, "of weights, order of images, augmentation")}};
}

OptionGroup machine_group(TrainConfig& c) {
  return {
      "Machine",
      {choice_option("precision", c.precision, {"auto", "f32", "bf16"},
                     "auto: bf16 where it is the faster one; chosen once, when a run begins"),
       // Both plans compute the same up to rounding: a run may go on with the other one.
       changeable(choice_option(
           "plan", c.plan, {{"automatic", PlanKind::automatic}, {"plain", PlanKind::plain}, {"fused", PlanKind::fused}},
           "fused: stages that keep images in the cache; plain: operation by operation")),
       choice_option("layout", c.layout,
                     {{"automatic", LayoutPolicy::automatic},
                      {"channels-last", LayoutPolicy::channels_last},
                      {"blocked", LayoutPolicy::blocked}},
                     "of activations in memory; all but automatic have plain plans alone"),
       changeable(integer_option("threads", c.threads, 0, std::numeric_limits<int>::max(),
                                 "0: physical cores this process may use; at most 8 for each CPU, or 64")),
       changeable(switch_option("pin-threads", c.pin_threads,
                                "a CPU of its own for each thread of fused plans and loader, physical cores first; "
                                "OpenMP's threads of plain plans go where OMP_PROC_BIND says"))}};
}

OptionGroup run_group(TrainConfig& c) {
  return {"Run",
          {changeable(path_option("out", c.out, "FOLDER", "run folder; runs/NAME of configuration or data set")),
           changeable(integer_option("patience", c.patience, 0, 1000000,
                                     "stop after so many epochs without better test accuracy; 0: never")),
           changeable(duration_option("max-time", c.max_time,
                                      "stop after so much time in training, say 2h or 1h30m; 0s: never")),
           changeable(integer_option("log-interval", c.log_interval, std::int64_t{0}, kAnyInteger,
                                     "steps between two step records of metrics.jsonl; 0: none")),
           changeable(number_option("save-interval", c.save_interval, 0.0F, 1e6F,
                                    "minutes between two saves within an epoch; 0: at its end only")),
           changeable(switch_option("quiet", c.quiet, "print nothing but errors"))}};
}

void check_combinations(const TrainConfig& c) {
  if (c.init.empty() && c.init_head != InitHead::keep) fail_usage("init-head has no effect without init");
  if (c.init.empty() && !c.freeze.empty()) fail_usage("freeze has no effect on random weights: expected init as well");
  if (c.init.empty() && c.epochs == 0) fail_usage("epochs = 0: expected at least 1, or init with weights to save");
  if (c.schedule != ScheduleKind::cosine && (c.warmup_epochs > 0.0F || c.min_lr > 0.0F)) {
    fail_usage("{} has no effect without schedule = cosine", c.warmup_epochs > 0.0F ? "warmup-epochs" : "min-lr");
  }
  if (c.cooldown_epochs > 0 && !can_be_extended(c)) {
    fail_usage(
        "cooldown-epochs {}: the learning rate is 0 by then; expected schedule = constant, or cosine with min-lr",
        c.cooldown_epochs);
  }
  if (c.warmup_epochs > static_cast<float>(c.epochs)) {
    fail_usage("warmup-epochs {} is more than epochs {}", c.warmup_epochs, c.epochs);
  }
  check_kind_and_layout(c.plan, c.layout);
  if (c.min_lr > c.lr) fail_usage("min-lr {} is more than lr {}", c.min_lr, c.lr);
  if (c.optimizer.nesterov && c.optimizer.kind != OptimizerKind::sgd) {
    fail_usage("nesterov has no effect without optimizer = sgd");
  }
}

void check_channels(const std::string& key, const std::vector<float>& values, const Dataset& dataset) {
  if (static_cast<int>(values.size()) != dataset.channels()) {
    fail_usage("{} has {}: expected {}, one for each colour", key, counted(values.size(), "value"), dataset.channels());
  }
}

}  // namespace

std::vector<OptionGroup> config_options(TrainConfig& config) {
  return {model_group(config),        init_group(config),
          data_group(config),         augmentation_options(config.augmentation),
          mixing_options(config.mix), optimizer_group(config),
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
    options.shuffle = true;
    options.drop_last = config.drop_last;
    options.augmentation = config.augmentation;
    options.mix = config.mix;
  }
  return options;
}

std::int64_t total_epochs(const TrainConfig& config) {
  return std::int64_t{config.epochs} + std::int64_t{config.cooldown_epochs};
}

bool can_be_extended(const TrainConfig& config) {
  if (config.schedule == ScheduleKind::constant) return config.lr > 0.0F;
  return config.schedule == ScheduleKind::cosine && config.min_lr > 0.0F;
}

void extend(TrainConfig& config, std::int64_t epochs_done, int more_epochs) {
  if (!can_be_extended(config)) {
    fail_usage(
        "this run can't be extended: its schedule has brought the learning rate down to 0, and one stretched over more "
        "epochs would have been another from the start. Train anew with --epochs {} and another --out; or so that "
        "--extend is possible later: --schedule cosine --min-lr {:.2g}, or --schedule constant",
        total_epochs(config) + more_epochs, static_cast<double>(config.lr) / 100.0);
  }
  if (epochs_done < total_epochs(config)) {
    fail_usage("this run isn't finished: {} of {} epochs are done; let it go on without --extend first", epochs_done,
               total_epochs(config));
  }
  config.cooldown_epochs = static_cast<int>(epochs_done - config.epochs) + more_epochs;
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
      .minimum = config.min_lr};
}

}  // namespace convmixer

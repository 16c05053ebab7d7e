#include "commands.hpp"
#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/core/running_clock.hpp"
#include "convmixer/core/standard_streams.hpp"
#include "convmixer/core/threads.hpp"
#include "convmixer/core/unsigned_nan.hpp"
#include "convmixer/data/image_file_loader.hpp"
#include "convmixer/data/image_reader.hpp"
#include "convmixer/model/image_size.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/model/selective_inference.hpp"
#include "convmixer/train/duration.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/output_files.hpp"
#include "given_images.hpp"
#include "given_weights.hpp"
#include "image_settings.hpp"
#include "live_line.hpp"
#include "output.hpp"
#include "prediction_output.hpp"
#include "progress_option.hpp"
#include "tta_options.hpp"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

constexpr float kAnyNumber = std::numeric_limits<float>::max();

struct PredictCommandOptions {
  fs::path checkpoint = "best";
  int top = 3;
  TtaOptions tta;
  std::string class_names;
  fs::path json;
  fs::path csv;
  bool logits = false;
  bool null_separated = false;
  bool quiet = false;
  ProgressMode progress = ProgressMode::automatic;

  /// Those that aren't standard output.
  [[nodiscard]] std::vector<OutputFile> files() const {
    return {{"json", json == "-" ? "" : json}, {"csv", csv == "-" ? "" : csv}};
  }
  /// Whether standard output is for none of them.
  [[nodiscard]] bool prints_lines() const { return json != "-" && csv != "-"; }
};

Option text_option(const std::string& name, std::string& variable, const std::string& value_name,
                   const std::string& help) {
  return {name,
          value_name,
          help,
          "a text",
          [&variable](const std::string& text) {
            variable = text;
            return true;
          },
          [&variable] { return variable; }};
}

OptionGroup command_group(PredictCommandOptions& options) {
  OptionGroup group{
      "Command",
      {path_option("checkpoint", options.checkpoint, "NAME", "weights of a run folder: best, last, or another file"),
       integer_option("top", options.top, 1, 1'000'000, "so many of the most probable classes of each image"),
       path_option("json", options.json, "FILE",
                   "write the predictions to this file as well; -: to standard output "
                   "instead of lines"),
       path_option("csv", options.csv, "FILE", "likewise, a row for each image"),
       switch_option("logits", options.logits, "all classes' logits in the JSON file"),
       switch_option("null", options.null_separated,
                     "paths on standard input end with a null byte, as find "
                     "-print0 writes them"),
       switch_option("quiet", options.quiet, "no progress, notes and summary on standard error"),
       progress_option(options.progress,
                       "live: a line that is drawn over itself; plain: a line now and then; none: nothing; auto: live "
                       "on a terminal, nothing elsewhere")}};
  const std::vector<Option> tta = tta_options(options.tta);
  group.options.insert(group.options.begin() + 2, tta.begin(), tta.end());
  return group;
}

OptionGroup image_group(TrainConfig& config, PredictCommandOptions& options) {
  Option image_size = integer_option("image-size", config.image_size, 1, kLargestImageSize, "pixels in each direction");
  image_size.write = [&config] { return config.image_size == 0 ? "" : fmt::format("{}", config.image_size); };
  return {
      "Images (the weights' own unless given here)",
      {image_size,
       choice_option("fit", config.fit, {{"crop", Fit::crop}, {"stretch", Fit::stretch}}, "how they are made square"),
       list_option("mean", config.mean, -kAnyNumber, "of each colour, pixels being 0 to 1"),
       list_option("std", config.std, 1e-6F, "standard deviation, likewise"),
       text_option("class-names", options.class_names, "NAMES",
                   "a list with commas, or a file with a name in each line"),
       choice_option("broken-files", config.broken_files,
                     {{"refuse", BrokenFiles::refuse}, {"skip", BrokenFiles::skip}},
                     "what to do about those that can't be read; skip: named and left out")}};
}

OptionGroup machine_group(TrainConfig& config) {
  static const std::vector<std::string> names{"prefetch", "precision", "plan", "layout", "threads", "pin-threads"};
  OptionGroup group = select_options(config_options(config), "Machine (a run's own unless given here)", names);
  group.options.insert(group.options.begin(), integer_option("batch-size", config.eval_batch_size, std::int64_t{1},
                                                             65536, "images that the network takes together"));
  return group;
}

using Note = std::function<void(const std::string&)>;

/// What images are put through, and what is said of them.
struct Classifier {
  fs::path weights;
  Network& network;
  TestTimeViews views;
  std::vector<std::string> class_names;
  std::size_t top;
};

/// Where predictions go.
class Outputs {
 public:
  Outputs(const PredictCommandOptions& options, const Classifier& classifier,
          std::span<const std::pair<std::string, std::string>> facts)
      : class_names_(classifier.class_names), prints_lines_(options.prints_lines()), logits_(options.logits) {
    if (!options.json.empty()) json_.emplace(options.json, facts, class_names_);
    if (!options.csv.empty()) csv_.emplace(options.csv, classifier.top, class_names_);
  }

  void add(const ClassifiedImage& image) {
    if (prints_lines_) print(prediction_line(image, class_names_) + "\n");
    if (json_) json_->add(logits_ ? image : ClassifiedImage{image.path, image.top});
    if (csv_) csv_->add(image);
  }
  /// Nobody will read any more of it: `| head`.
  [[nodiscard]] bool have_lost_their_reader() const { return !json_ && !csv_ && std::ferror(stdout) != 0; }
  void finish(std::span<const LeftOut> left_out) {
    if (json_) json_->finish(left_out);
    if (csv_) csv_->finish();
  }

 private:
  std::span<const std::string> class_names_;
  bool prints_lines_;
  bool logits_;
  std::optional<JsonPredictions> json_;
  std::optional<CsvPredictions> csv_;
};

/// A broken network must not look right.
void require_numbers(std::span<const float> logits, const std::string& path, const Classifier& classifier) {
  const auto found = std::ranges::find_if(logits, [](float logit) { return !std::isfinite(logit); });
  if (found == logits.end()) return;
  fail("{}: class '{}' got the logit {}, expected a number: {} is damaged, or its values are too large for {}", path,
       classifier.class_names[static_cast<std::size_t>(found - logits.begin())], unsigned_nan(*found),
       classifier.weights.string(), to_string(classifier.network.precision()));
}

/// The files of a batch whose results are to come.
struct BatchFiles {
  std::vector<std::string> paths;
  std::vector<std::string> broken;
};

/// Adds a batch's images to the outputs, in their order; returns of how many further views were taken.
std::int64_t add_batch(const BatchFiles& files, const InferredBatch& batch, const Classifier& classifier,
                       Outputs& outputs) {
  const auto classes = static_cast<std::size_t>(classifier.network.classes());
  std::int64_t looked_again = 0;
  for (std::size_t i = 0; i < files.paths.size(); ++i) {
    if (!files.broken[i].empty()) continue;
    const std::span<const float> own = batch.logits.subspan(i * classes, classes);
    require_numbers(own, files.paths[i], classifier);
    outputs.add({files.paths[i], predict_top(own, classifier.top), own});
    looked_again += batch.looked_again[i];
  }
  return looked_again;
}

/// The broken files of a batch, refused or left out.
void leave_out(const ImageFileBatch& batch, BrokenFiles broken, const Note& note, std::vector<LeftOut>& left_out) {
  for (std::size_t i = 0; i < batch.paths.size(); ++i) {
    const std::string& reason = batch.broken[i];
    if (reason.empty()) continue;
    if (broken == BrokenFiles::refuse) fail("{}; --broken-files skip leaves such files out", reason);
    note("left out: " + reason);
    left_out.push_back({batch.paths[i], reason});
  }
}

std::string progress_text(std::size_t done, std::size_t total, double seconds) {
  const double rate = static_cast<double>(done) / std::max(seconds, 1e-9);
  return fmt::format("{}/{} images  {:.0f} images/s  left {}", with_commas(static_cast<std::int64_t>(done)),
                     with_commas(static_cast<std::int64_t>(total)), rate,
                     format_time_left(static_cast<double>(total - done) / std::max(rate, 1e-9)));
}

/// Puts all images through the network.
void classify(ImageFileLoader& loader, Classifier& classifier, BrokenFiles broken, const Note& note,
              const PredictCommandOptions& options, GivenImages& images, Outputs& outputs) {
  RunningClock clock;
  const double start = clock.seconds();
  LiveLine line(options.quiet ? ProgressMode::none : options.progress, [&] { return clock.seconds(); });
  const std::size_t left_out_before = images.left_out.size();
  std::size_t done = 0;
  std::int64_t looked_again = 0;
  std::deque<BatchFiles> files;
  SelectiveInference inference(classifier.network, classifier.views, [&](const InferredBatch& batch) {
    line.clear();
    looked_again += add_batch(files.front(), batch, classifier, outputs);
    done += files.front().paths.size();
    files.pop_front();
  });
  while (const ImageFileBatch* batch = loader.next()) {
    files.push_back({{batch->paths.begin(), batch->paths.end()}, {batch->broken.begin(), batch->broken.end()}});
    line.clear();
    leave_out(*batch, broken, note, images.left_out);
    inference.add(batch->images);
    if (outputs.have_lost_their_reader()) return;
    line.update([&] { return progress_text(done, images.paths.size(), clock.seconds() - start); });
  }
  inference.finish();
  line.clear();
  const std::size_t classified = done - (images.left_out.size() - left_out_before);
  if (classified == 0) {
    const std::size_t count = images.left_out.size();
    fail("{}{}", images.left_out.front().reason,
         count == 1 ? ""
                    : fmt::format(" (and {} more; no image is left)", with_commas(std::ssize(images.left_out) - 1)));
  }
  if (options.quiet || images.paths.size() + left_out_before == 1) return;
  const double seconds = clock.seconds() - start;
  std::string left = images.left_out.empty() ? "" : fmt::format(", {} left out", images.left_out.size());
  if (classifier.views.are_of_some_images())
    left += ", " + describe_looks(looked_again, static_cast<std::int64_t>(classified));
  write_text(stderr, fmt::format("{} {} in {}, {:.0f} images/s{}\n", with_commas(static_cast<std::int64_t>(classified)),
                                 plural(classified, "image"), format_time_left(seconds),
                                 static_cast<double>(classified) / std::max(seconds, 1e-9), left));
}

/// What an output may not replace.
std::vector<fs::path> inputs_of(const GivenWeights& weights, std::span<const std::string> images,
                                const fs::path& class_names) {
  std::vector<fs::path> inputs{weights.path, class_names};
  for (const std::string& image : images) inputs.emplace_back(image);
  return inputs;
}

std::vector<std::pair<std::string, std::string>> facts_about(const GivenWeights& weights, const TrainConfig& config,
                                                             const Classifier& classifier, const TtaOptions& tta) {
  std::vector<std::string> class_names;
  for (const std::string& name : classifier.class_names) class_names.push_back(to_utf8(name));
  return {{"weights", nlohmann::json(to_utf8(weights.path.native())).dump()},
          {"model", nlohmann::json(describe(weights.info.model)).dump()},
          {"epoch", nlohmann::json(weights.info.epoch).dump()},
          {"precision", nlohmann::json(config.precision).dump()},
          {"tta", nlohmann::json(name_of(tta.augmentation)).dump()},
          {"tta_below", nlohmann::json(tta.views().below).dump()},
          {"image_size", nlohmann::json(config.image_size).dump()},
          {"fit", nlohmann::json(config.fit == Fit::crop ? "crop" : "stretch").dump()},
          {"mean", fmt::format("[{}]", fmt::join(config.mean, ","))},
          {"std", fmt::format("[{}]", fmt::join(config.std, ","))},
          {"class_names", nlohmann::json(class_names).dump()}};
}

}  // namespace

CommandHelp predict_help() {
  TrainConfig config;
  PredictCommandOptions options;
  const std::vector<OptionGroup> groups{command_group(options), image_group(config, options), machine_group(config)};
  return command_help(
      "usage: convmixer predict RUN_FOLDER_OR_WEIGHTS_FILE IMAGE... [--option value ...]\n\n"
      "Says which classes images are of, in a line for each: PATH: CLASS 97.1%, CLASS 1.2%, ... An IMAGE is a PNG,\n"
      "JPEG or PPM file, a folder with such files in it or in folders below it, or -, for paths on standard input, "
      "one\n"
      "in a line. Images are made square, resized and normalised as in training: the weights say how. Weights of "
      "other\n"
      "programs may not: then the options for images do.\n",
      groups);
}

int predict_command(std::span<const std::string> words) {
  TrainConfig config;
  PredictCommandOptions options;
  const std::vector<OptionGroup> groups{command_group(options), image_group(config, options), machine_group(config)};
  const CommandLine line = parse_command_line(groups, words);
  if (line.arguments.size() < 2) {
    fail_usage("expected a run folder or weights file, then images; see 'convmixer help predict'");
  }
  assign(groups, line.settings);
  const std::span<const std::string> images_given = std::span(line.arguments).subspan(1);
  if (options.logits && options.json.empty()) fail_usage("--logits: needs --json FILE");
  if (options.null_separated && std::ranges::find(images_given, "-") == images_given.end())
    fail_usage("--null: needs -, for paths on standard input");
  if (!options.prints_lines() && options.json == options.csv) fail_usage("--json and --csv can't both be -");
  require_showable(options.progress, stderr, "standard error", options.quiet);
  const Note note = [&](const std::string& text) {
    constexpr std::size_t kLongest = 20'000;
    if (!options.quiet) write_text(stderr, "note: " + printable(text, kLongest) + "\n", true);
  };

  const GivenWeights weights = find_weights(line.arguments.front(), options.checkpoint);
  require_outputs(options.files(), inputs_of(weights, images_given, options.class_names));
  take_image_settings(
      weights, [&](const std::string& option) { return line.find(option) != nullptr; }, note, config);
  assign(groups, line.settings);
  require_image_size(weights.path, weights.info.model, config.image_size);
  const ImageReader reader(image_reader_options(config, weights.info.model));
  std::vector<std::string> class_names = class_names_for(weights, options.class_names, note);
  GivenImages images = list_given_images(
      {.words = images_given, .null_separated = options.null_separated, .broken = config.broken_files}, note);
  const std::vector<fs::path> inputs(images.paths.begin(), images.paths.end());  // those of folders and lists, too
  for (const OutputFile& file : options.files())
    if (!file.path.empty()) require_no_input(file, inputs);

  const ThreadCount threads = choose_thread_count(config.threads);
  if (!threads.warning.empty()) note(fmt::format("{}: {}", counted(threads.count, "thread"), threads.warning));
  ThreadPool pool(threads.count, thread_pinning(config));
  Engine engine(pool);
  const Precision precision = choose_precision(config.precision);
  config.precision = to_string(precision);
  ClassificationTask task = task_of(weights.info.model);
  task.image_size = config.image_size;
  Network network(make_graph(with_task(weights.info.model, task)), precision, engine, config.layout, config.plan);
  load_weights(weights.path, network.parameters());
  Classifier classifier{weights.path, network, options.tta.views(), std::move(class_names),
                        static_cast<std::size_t>(std::min(options.top, task.classes))};
  Outputs outputs(options, classifier, facts_about(weights, config, classifier, options.tta));
  ImageFileLoader loader(reader, images.paths, pool, config.eval_batch_size, config.prefetch);
  classify(loader, classifier, config.broken_files, note, options, images, outputs);
  outputs.finish(images.left_out);
  return 0;
}

}  // namespace convmixer::tool

#include "commands.hpp"
#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/data/dataset_options.hpp"
#include "convmixer/data/known_class_names.hpp"
#include "convmixer/export/onnx.hpp"
#include "convmixer/export/weights.hpp"
#include "convmixer/model/image_size.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/output_files.hpp"
#include "given_weights.hpp"
#include "image_settings.hpp"
#include "output.hpp"

#include <fmt/ranges.h>

#include <array>
#include <limits>
#include <map>
#include <system_error>
#include <utility>
#include <variant>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

enum class Format { by_ending, onnx, safetensors, safetensors_f16, safetensors_bf16, pytorch };

struct ExportCommandOptions {
  fs::path out;
  Format format = Format::by_ending;
  WeightNaming names = WeightNaming::timm;
  bool normalise = false;
  bool probabilities = false;
  fs::path checkpoint = "best";
};

/// What is given of the images, for weights that don't say, or to have it otherwise.
struct ImageOptions {
  int image_size = 0;
  Fit fit = Fit::crop;
  std::vector<float> mean;
  std::vector<float> std;
  fs::path class_names;
};

OptionGroup command_group(ExportCommandOptions& options) {
  return {
      "Command",
      {path_option("out", options.out, "FILE", "the file to write"),
       choice_option("format", options.format,
                     {{"by-ending", Format::by_ending},
                      {"onnx", Format::onnx},
                      {"safetensors", Format::safetensors},
                      {"safetensors-f16", Format::safetensors_f16},
                      {"safetensors-bf16", Format::safetensors_bf16},
                      {"pytorch", Format::pytorch}},
                     "by-ending: .onnx, .safetensors, or .pth and .pt for PyTorch's"),
       choice_option("names", options.names,
                     {{"timm", WeightNaming::timm},
                      {"locuslab", WeightNaming::locuslab},
                      {"paper", WeightNaming::paper},
                      {"labml", WeightNaming::labml}},
                     "whose ConvMixer is to load the tensors; not for ONNX; other models have one way"),
       switch_option("normalise", options.normalise, "ONNX: take pixels scaled to 0..1 and normalise them inside"),
       switch_option("probabilities", options.probabilities, "ONNX: give probabilities (softmax) instead of logits"),
       path_option("checkpoint", options.checkpoint, "NAME", "weights of a run folder: best, last, or another file")}};
}

OptionGroup image_group(ImageOptions& options) {
  constexpr float kAnyNumber = std::numeric_limits<float>::max();
  Option image_size =
      integer_option("image-size", options.image_size, 1, kLargestImageSize, "pixels in each direction");
  image_size.write = [] { return std::string(); };
  Option fit =
      choice_option("fit", options.fit, {{"crop", Fit::crop}, {"stretch", Fit::stretch}}, "how they are made square");
  fit.write = [] { return std::string(); };
  return {"Images (the weights' own unless given here)",
          {image_size, fit, list_option("mean", options.mean, -kAnyNumber, "of each colour, pixels being 0 to 1"),
           list_option("std", options.std, 1e-6F, "standard deviation, likewise"),
           path_option("class-names", options.class_names, "NAMES",
                       "a list with commas, or a file with a name in each line")}};
}

Format format_of(const ExportCommandOptions& options) {
  if (options.format != Format::by_ending) return options.format;
  static const std::map<std::string, Format> endings{{".onnx", Format::onnx},
                                                     {".safetensors", Format::safetensors},
                                                     {".pth", Format::pytorch},
                                                     {".pt", Format::pytorch}};
  const auto found = endings.find(options.out.extension().string());
  if (found == endings.end())
    fail_usage("--out {}: expected a file that ends in .onnx, .safetensors, .pth or .pt, or --format",
               options.out.string());
  return found->second;
}

/// Throws Error (usage) for options that mean nothing for the format.
void check_options(const ExportCommandOptions& options, const CommandLine& line, Format format) {
  const bool is_onnx = format == Format::onnx;
  for (const char* name : {"normalise", "probabilities"})
    if (!is_onnx && line.find(name) != nullptr)
      fail_usage("--{}: for --format onnx alone: other formats hold weights, no network that runs", name);
  if (is_onnx && options.names != WeightNaming::timm)
    fail_usage("--names: not for ONNX, whose files hold the network: nobody looks for its tensors by name");
}

/// Who gives weights the names that they will have.
std::string whose_names(const ModelConfig& model, WeightNaming names) {
  static const std::map<WeightNaming, std::string> whose{{WeightNaming::timm, "timm's"},
                                                         {WeightNaming::locuslab, "locuslab's"},
                                                         {WeightNaming::paper, "the paper's"},
                                                         {WeightNaming::labml, "labml's"}};
  return std::holds_alternative<ConvMixerConfig>(model) ? whose.at(names) : entry_of(model).weight_names;
}

/// Throws Error (usage) for names that the weights' model doesn't have.
void check_names(const ExportCommandOptions& options, const CommandLine& line, const GivenWeights& weights) {
  const ModelConfig& model = weights.info.model;
  const bool is_convmixer = std::holds_alternative<ConvMixerConfig>(model);
  const bool has_timms = options.names == WeightNaming::timm && whose_names(model, options.names) == "timm's";
  if (line.find("names") == nullptr || is_convmixer || has_timms) return;
  fail_usage("--names {}: for ConvMixers alone, {} is of model = {}; expected no --names: its weights have {}",
             *line.find("names"), weights.path.string(), entry_of(model).name, whose_names(model, options.names));
}

/// Of weights that an earlier release wrote, whose data set has the same names always; else none.
std::vector<std::string> known_names(const CheckpointInfo& info) {
  std::vector<std::string> names = known_class_names(info.dataset);
  return std::ssize(names) == task_of(info.model).classes ? names : std::vector<std::string>{};
}

/// Puts what is given into what the weights say. Throws Error (usage) where it doesn't fit the network, and where the
/// size of the images has to be known but isn't: networks of other programs run at any.
void take_image_options(const ImageOptions& options, const CommandLine& line, Format format, GivenWeights& weights) {
  CheckpointInfo& info = weights.info;
  ClassificationTask task = task_of(info.model);
  const bool given_normalisation = !options.mean.empty() || !options.std.empty();
  if (info.mean.empty() && options.image_size == 0 && (format == Format::onnx || given_normalisation))
    fail_usage("{} doesn't say how large its images are: give --image-size", weights.path.string());
  if (options.image_size > 0) {
    require_image_size(weights.path, info.model, options.image_size);
    task.image_size = options.image_size;
  }
  info.model = with_task(info.model, task);
  if (line.find("fit") != nullptr) info.fit = options.fit == Fit::stretch ? "stretch" : "crop";
  if (!options.mean.empty()) info.mean = options.mean;
  if (!options.std.empty()) info.std = options.std;
  for (const auto& [name, values] : {std::pair("mean", &info.mean), std::pair("std", &info.std)})
    if (std::ssize(*values) != task.channels && !(info.mean.empty() && info.std.empty()))
      fail_usage("--{}: {}, expected {}, one for each colour", name, counted(values->size(), "value"), task.channels);
  if (!options.class_names.empty()) info.class_names = class_names_for(weights, options.class_names.string(), {});
  if (info.class_names.empty()) info.class_names = known_names(info);
}

Rows write_network(const ExportCommandOptions& options, const GivenWeights& weights, const Parameters& parameters) {
  const CheckpointInfo& info = weights.info;
  OnnxOptions onnx{.probabilities = options.probabilities, .metadata = onnx_metadata(info, options.normalise)};
  if (options.normalise) {
    if (info.mean.empty())
      fail_usage("--normalise: {} doesn't say by what images are normalised: give --mean and --std",
                 weights.path.string());
    onnx.normalisation = Normalisation{info.mean, info.std};
  }
  write_onnx(options.out, parameters, onnx);

  const ClassificationTask task = task_of(info.model);
  std::string input =
      fmt::format("input, f32 (batch, {0}, {1}, {1}): pixels scaled to 0..1", task.channels, task.image_size);
  if (!options.normalise && info.mean.empty()) input += ", normalised as in its training";
  if (!options.normalise && !info.mean.empty())
    input += fmt::format(", less {:.4f}, divided by {:.4f}", fmt::join(info.mean, " "), fmt::join(info.std, " "));
  return {
      {"input", input},
      {"output", fmt::format("{}, f32 (batch, {})", options.probabilities ? "probabilities" : "logits", task.classes)}};
}

Rows write_weights(const ExportCommandOptions& options, Format format, const CheckpointInfo& info,
                   const Parameters& parameters) {
  WeightsFormat weights{.names = options.names};
  if (format == Format::pytorch) weights.container = WeightsContainer::pytorch;
  if (format == Format::safetensors_f16) weights.elements = DType::f16;
  if (format == Format::safetensors_bf16) weights.elements = DType::bf16;
  export_weights(options.out, parameters, info, weights);
  return {};
}

std::string describe_format(Format format, const std::string& names) {
  if (format == Format::onnx) return "ONNX, opset 17";
  const std::string container = format == Format::pytorch ? "PyTorch" : "safetensors";
  const std::string elements = format == Format::safetensors_f16    ? "f16"
                               : format == Format::safetensors_bf16 ? "bf16"
                                                                    : "f32";
  return fmt::format("{}, {}, {} names", container, elements, names);
}

}  // namespace

CommandHelp export_help() {
  ExportCommandOptions options;
  ImageOptions images;
  const std::vector<OptionGroup> groups{command_group(options), image_group(images)};
  return command_help(
      "usage: convmixer export RUN_FOLDER_OR_WEIGHTS_FILE --out FILE [--option value ...]\n\n"
      "Trained weights for other programs: the network as ONNX, or its weights as safetensors or as what torch.save\n"
      "writes. All of them say what the weights file says: classes, mean, standard deviation, how images are fitted.\n"
      "timm and PyTorch load the weights with strict=True. f16 and bf16 are rounded to the nearest, ties to even.\n",
      groups);
}

int export_command(std::span<const std::string> words) {
  ExportCommandOptions options;
  ImageOptions images;
  const std::vector<OptionGroup> groups{command_group(options), image_group(images)};
  const CommandLine line = parse_command_line(groups, words);
  if (line.arguments.size() != 1)
    fail_usage("expected one run folder or weights file, found {}; see 'convmixer help export'", line.arguments.size());
  assign(groups, line.settings);
  if (options.out.empty()) fail_usage("--out FILE is missing: the file to write");
  const Format format = format_of(options);
  check_options(options, line, format);
  std::vector<fs::path> inputs = weights_read(line.arguments.front(), options.checkpoint);
  inputs.push_back(images.class_names);
  require_outputs(std::array{OutputFile{"out", options.out}}, inputs);
  GivenWeights weights = find_weights(line.arguments.front(), options.checkpoint);
  check_names(options, line, weights);
  take_image_options(images, line, format, weights);

  const Graph graph = make_graph(weights.info.model);
  Parameters parameters(graph);
  load_weights(weights.path, parameters);
  Rows rows{{"network", describe_with_task(weights.info.model)}};
  const Rows more = format == Format::onnx ? write_network(options, weights, parameters)
                                           : write_weights(options, format, weights.info, parameters);
  rows.insert(rows.end(), more.begin(), more.end());
  print_format("{}: {}, {}\n", printable(options.out.native()),
               describe_format(format, whose_names(weights.info.model, options.names)),
               byte_size(static_cast<std::int64_t>(fs::file_size(options.out))));
  print(format_rows(rows, false));
  return 0;
}

}  // namespace convmixer::tool

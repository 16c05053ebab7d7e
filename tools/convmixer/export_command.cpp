#include "commands.hpp"
#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/export/onnx.hpp"
#include "convmixer/export/weights.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/train/option_parser.hpp"
#include "given_weights.hpp"
#include "output.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <system_error>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

enum class Format { by_ending, onnx, safetensors, safetensors_f16, safetensors_bf16, pytorch };

struct CommandOptions {
  fs::path out;
  Format format = Format::by_ending;
  WeightNaming names = WeightNaming::timm;
  bool normalise = false;
  bool probabilities = false;
  fs::path checkpoint = "best";
  int image_size = 0;
  std::vector<float> mean;
  std::vector<float> std;
};

OptionGroup command_group(CommandOptions& options) {
  constexpr int kLargestImage = 4096;
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
                     "of the file; by-ending: .onnx, .safetensors, or .pth and .pt for PyTorch's"),
       choice_option("names", options.names,
                     {{"timm", WeightNaming::timm},
                      {"locuslab", WeightNaming::locuslab},
                      {"paper", WeightNaming::paper},
                      {"labml", WeightNaming::labml}},
                     "whose ConvMixer is to load the tensors; not for ONNX"),
       switch_option("normalise", options.normalise, "ONNX: take pixels scaled to 0..1 and normalise them inside"),
       switch_option("probabilities", options.probabilities, "ONNX: give probabilities (softmax) instead of logits"),
       path_option("checkpoint", options.checkpoint, "NAME", "weights of a run folder: best, last, or another file"),
       integer_option("image-size", options.image_size, 0, kLargestImage,
                      "height and width of the images; 0: what the weights say, 32 if they don't"),
       list_option("mean", options.mean, 0.0F, "of the channels; empty: what the weights say"),
       list_option("std", options.std, 0.0F, "of the channels; empty: what the weights say")}};
}

Format format_of(const CommandOptions& options) {
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
void check_options(const CommandOptions& options, const CommandLine& line, Format format) {
  const bool is_onnx = format == Format::onnx;
  for (const char* name : {"normalise", "probabilities"})
    if (!is_onnx && line.find(name) != nullptr)
      fail_usage("--{}: for --format onnx alone: other formats hold weights, no network that runs", name);
  if (is_onnx && options.names != WeightNaming::timm)
    fail_usage("--names: not for ONNX, whose files hold the network: nobody looks for its tensors by name");
}

/// Nothing that was trained is lost by a slip of the hand.
void check_not_saved_weights(const fs::path& out, const GivenWeights& weights) {
  std::vector<fs::path> kept{weights.path};
  if (weights.run) kept.insert(kept.end(), {weights.run->best(), weights.run->last(), weights.run->state()});
  for (const fs::path& path : kept) {
    std::error_code ignored;  // what is not there is not the same
    if (fs::equivalent(out, path, ignored))
      fail_usage("--out {}: that is the trained weights' own file: name another", out.string());
  }
}

/// What is given on the command line, for weights that don't say, or to have it otherwise.
void take_options(const CommandOptions& options, CheckpointInfo& info) {
  ClassificationTask task = task_of(info.model);
  if (options.image_size > 0) task.image_size = options.image_size;
  info.model = with_task(info.model, task);
  if (!options.mean.empty()) info.mean = options.mean;
  if (!options.std.empty()) info.std = options.std;
  const auto channels = static_cast<std::size_t>(task.channels);
  for (const auto& [name, values] : {std::pair("mean", info.mean), std::pair("std", info.std)})
    if (values.size() != channels && !(info.mean.empty() && info.std.empty()))
      fail_usage("--{}: {} numbers, expected {}: one for each channel", name, values.size(), channels);
  if (std::ranges::any_of(info.std, [](float value) { return value <= 0.0F; }))
    fail_usage("--std {}: expected numbers above 0", fmt::join(info.std, ","));
}

Rows write_network(const CommandOptions& options, const GivenWeights& weights, const Parameters& parameters) {
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

Rows write_weights(const CommandOptions& options, Format format, const CheckpointInfo& info,
                   const Parameters& parameters) {
  WeightsFormat weights{.names = options.names};
  if (format == Format::pytorch) weights.container = WeightsContainer::pytorch;
  if (format == Format::safetensors_f16) weights.elements = DType::f16;
  if (format == Format::safetensors_bf16) weights.elements = DType::bf16;
  export_weights(options.out, parameters, info, weights);
  return {};
}

std::string describe(Format format, WeightNaming names) {
  if (format == Format::onnx) return "ONNX, opset 17";
  const std::string container = format == Format::pytorch ? "PyTorch" : "safetensors";
  const std::string elements = format == Format::safetensors_f16    ? "f16"
                               : format == Format::safetensors_bf16 ? "bf16"
                                                                    : "f32";
  static const std::map<WeightNaming, std::string> whose{{WeightNaming::timm, "timm's"},
                                                         {WeightNaming::locuslab, "locuslab's"},
                                                         {WeightNaming::paper, "the paper's"},
                                                         {WeightNaming::labml, "labml's"}};
  return fmt::format("{}, {}, {} names", container, elements, whose.at(names));
}

}  // namespace

CommandHelp export_help() {
  CommandOptions options;
  const std::vector<OptionGroup> groups{command_group(options)};
  return command_help(
      "usage: convmixer export RUN_FOLDER_OR_WEIGHTS_FILE --out FILE [--option value ...]\n\n"
      "Trained weights for other programs: the network as ONNX, or its weights as safetensors or as what "
      "torch.save\n"
      "writes. All of them say what the weights file says: classes, mean, standard deviation, how images are "
      "fitted.\n"
      "timm and PyTorch load the weights with strict=True. f16 and bf16 are rounded to the nearest, ties to "
      "even.\n",
      groups);
}

int export_command(std::span<const std::string> words) {
  CommandOptions options;
  const std::vector<OptionGroup> groups{command_group(options)};
  const CommandLine line = parse_command_line(groups, words);
  if (line.arguments.size() != 1)
    fail_usage("expected one run folder or weights file, found {}; see 'convmixer help export'", line.arguments.size());
  assign(groups, line.settings);
  if (options.out.empty()) fail_usage("--out FILE is missing: the file to write");
  const Format format = format_of(options);
  check_options(options, line, format);
  require_writable(options.out);
  GivenWeights weights = find_weights(line.arguments.front(), options.checkpoint);
  check_not_saved_weights(options.out, weights);
  take_options(options, weights.info);

  const Graph graph = make_graph(weights.info.model);
  Parameters parameters(graph);
  load_weights(weights.path, parameters);
  require_finite(weights.path, parameters);
  Rows rows{{"network", describe_with_task(weights.info.model)}};
  const Rows more = format == Format::onnx ? write_network(options, weights, parameters)
                                           : write_weights(options, format, weights.info, parameters);
  rows.insert(rows.end(), more.begin(), more.end());
  print_format("{}: {}, {}\n", printable(options.out.native()), describe(format, options.names),
               byte_size(static_cast<std::int64_t>(fs::file_size(options.out))));
  print(format_rows(rows, false));
  return 0;
}

}  // namespace convmixer::tool

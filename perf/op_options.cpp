#include "op_options.hpp"

#include "convmixer/core/cpu.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/data/dataset_names.hpp"
#include "convmixer/plan/engine.hpp"
#include "convmixer/train/option_parser.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace convmixer::perf {

namespace {

using kernels::ElementType;

/// The command line before it is understood.
struct Words {
  std::string network = "all";
  std::string precision = "both";
  TrainConfig config;
};

/// Options that describe a network, instead of --network.
std::vector<std::string> network_options() {
  std::vector<std::string> names = model_option_names();
  names.emplace_back("dataset");
  return names;
}

std::vector<OptionGroup> groups_of(OpOptions& options, Words& words) {
  std::vector<std::string> networks{"all"};
  for (const Setting& setting : standard_settings()) networks.push_back(setting.network);
  static const std::vector<std::string> kRun{"batch-size", "layout", "threads"};
  const std::vector<OptionGroup> config = config_options(words.config);
  return {{"Measurement",
           {choice_option("network", words.network, networks, "network whose shapes are measured"),
            choice_option("precision", words.precision, {"both", "f32", "bf16"}, "element type"),
            path_option("roofline", options.roofline, "FILE", "write the measurements as an SVG picture as well"),
            number_option("peak-seconds", options.peak_seconds, 0.0F, 3600.0F,
                          "spent on each of the machine's peaks; their best counts")}},
          select_options(config, "Run", kRun),
          {"Another network than those", [&] {
             std::vector<Option> another{
                 path_option("config", options.config_file, "FILE", "configuration; options given here win over it")};
             const OptionGroup model = select_options(config, "", network_options());
             another.insert(another.end(), model.options.begin(), model.options.end());
             return another;
           }()}};
}

std::vector<Setting> networks_of(const Words& words, const CommandLine& line) {
  const auto given = [&line](const std::string& name) { return line.find(name) != nullptr; };
  if (given("config") || std::ranges::any_of(network_options(), given)) {
    if (given("network")) fail_usage("--network: expected either this or options of another network, found both");
    constexpr int kImageSize = 32;  // of every data set there is
    TrainConfig config = words.config;
    if (config.image_size == 0) config.image_size = kImageSize;
    Setting setting;
    setting.model = model_config(config, 3, known_classes(config.dataset).value_or(10));
    setting.network = network_name(setting.model);
    return {setting};
  }
  std::vector<Setting> settings = standard_settings();
  std::erase_if(settings, [&](const Setting& s) { return words.network != "all" && words.network != s.network; });
  return settings;
}

std::vector<ElementType> types_of(const std::string& precision) {
  if (precision == "f32") return {ElementType::f32};
  if (precision == "bf16") {
    if (!Engine::has_instructions(Precision::bf16)) {
      fail_usage(
          "precision = bf16: this CPU ({}) has no instructions for it that oneDNN may use (best: {}); expected f32",
          cpu_info().model, Engine::onednn_info().instructions);
    }
    return {ElementType::bf16};
  }
  if (Engine::has_instructions(Precision::bf16)) return {ElementType::f32, ElementType::bf16};
  return {ElementType::f32};
}

}  // namespace

OpOptions read_op_options(std::span<const std::string> words) {
  OpOptions options;
  Words read;
  read.config.batch_size = Setting{}.batch;
  const std::vector<OptionGroup> groups = groups_of(options, read);
  const CommandLine line = parse_command_line(groups, words);
  if (!line.arguments.empty()) fail_usage("unexpected '{}'", line.arguments.front());
  if (const std::string* const file = line.find("config")) {
    options.config_file = *file;
    read.config = read_config(options.config_file);
  }
  assign(groups, line.settings);
  options.threads = read.config.threads;
  for (Setting& setting : networks_of(read, line)) {
    for (const ElementType type : types_of(read.precision)) {
      setting.batch = read.config.batch_size;
      setting.layout = read.config.layout;
      setting.type = type;
      options.settings.push_back(setting);
    }
  }
  return options;
}

std::string op_options_help() {
  OpOptions options;
  Words words;
  words.config.batch_size = Setting{}.batch;
  const std::vector<OptionGroup> groups = groups_of(options, words);
  return "usage: op_bench [--option value ...] [--benchmark_option=value ...]\n\n"
         "Measures every kernel and primitive over the shapes of some networks, and how far each is from the least "
         "time\n"
         "in which this machine could do its arithmetic and its transfers. perf/README.md explains the figures.\n" +
         describe_options(groups) +
         "\nOf Google Benchmark's options\n"
         "  --benchmark_filter=REGEX        measure what matches only: 256x8/.*weights\n"
         "  --benchmark_list_tests          show the names\n"
         "  --benchmark_min_time=SECONDS    for each operation (0.1)\n"
         "  --benchmark_repetitions=N       of each, with mean, median and deviation\n"
         "  --benchmark_out=FILE            write everything measured there as JSON\n";
}

}  // namespace convmixer::perf

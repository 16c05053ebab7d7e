#include "step_options.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/train/option_parser.hpp"

#include <vector>

namespace convmixer::perf {

namespace {

OptionGroup own_group(StepOptions& options) {
  return {"Measurement",
          {path_option("config", options.config_file, "FILE", "configuration; options given here win over it"),
           switch_option("inference", options.inference, "the logits of a batch instead of a training step"),
           choice_option(
               "exchange", options.exchange,
               {{"measured", ExchangeTime::measured}, {"during", ExchangeTime::during}, {"after", ExchangeTime::after}},
               "where several ranks train together: gradients are added up during the backward pass, after "
               "it, or as the first steps find faster"),
           integer_option("steps", options.steps, 1, 1000000, "steps measured"),
           integer_option("warmup", options.warmup, 0, 1000000, "steps before them"),
           number_option("peak-seconds", options.peak_seconds, 0.0F, 3600.0F,
                         "spent on each of the machine's two peaks; their best counts"),
           path_option("json", options.json, "FILE", "write everything measured there as well")}};
}

OptionGroup configuration_group(TrainConfig& config) {
  std::vector<std::string> names = model_option_names();
  for (const char* name : {"dataset", "batch-size", "micro-batch", "optimizer", "precision", "plan", "layout",
                           "batch-norm", "threads", "pin-threads"}) {
    names.emplace_back(name);
  }
  return select_options(config_options(config), "Configuration", names);
}

}  // namespace

StepOptions read_step_options(std::span<const std::string> words) {
  StepOptions options;
  const std::vector<OptionGroup> own{own_group(options)};
  const std::vector<OptionGroup> groups{own.front(), configuration_group(options.config)};
  const CommandLine line = parse_command_line(groups, words);
  if (!line.arguments.empty()) fail_usage("unexpected '{}'", line.arguments.front());
  assign(own, line.settings);
  if (!options.config_file.empty()) options.config = read_config(options.config_file);
  assign(groups, line.settings);
  constexpr int kImageSize = 32;  // of every data set there is
  if (options.config.image_size == 0) options.config.image_size = kImageSize;
  return options;
}

std::string step_options_help() {
  StepOptions options;
  const std::vector<OptionGroup> groups{own_group(options), configuration_group(options.config)};
  return "usage: step_bench [--config FILE] [--option value ...]\n\n"
         "Measures training steps on synthetic data, what they consist of, and how far they are from the least time\n"
         "in which this machine could do their multiply-adds. perf/README.md explains the figures.\n" +
         describe_options(groups);
}

}  // namespace convmixer::perf

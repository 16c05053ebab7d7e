#include "augmentation_text.hpp"
#include "commands.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/core/thread_pool.hpp"
#include "convmixer/core/threads.hpp"
#include "convmixer/data/dataset_report.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/data/sources/packed.hpp"
#include "convmixer/figures/contact_sheet.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/idle_settings.hpp"
#include "convmixer/train/option_parser.hpp"
#include "convmixer/train/output_files.hpp"
#include "convmixer/train/run_images.hpp"
#include "output.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

struct DataCommandOptions {
  fs::path config;
  fs::path pack;
  fs::path sheet;
  ContactSheet layout;
};

OptionGroup command_group(DataCommandOptions& options) {
  return {"Command",
          {path_option("config", options.config, "FILE", "configuration; options given here win over it"),
           path_option("pack", options.pack, "FILE", "write all images into one file, which --data then takes"),
           path_option("sheet", options.sheet, "FILE.png", "draw what the network will see"),
           integer_option("sheet-rows", options.layout.rows, 1, 200, "of the sheet"),
           integer_option("sheet-columns", options.layout.columns, 1, 100, "of the sheet"),
           integer_option("sheet-epoch", options.layout.epoch, 1, 1000000, "whose first samples are drawn"),
           switch_option("sheet-originals", options.layout.originals, "beside each sample the image it was made of")}};
}

std::string colours(const std::vector<float>& values) {
  std::vector<std::string> texts;
  for (const float value : values) texts.push_back(fmt::format("{:.4f}", value));
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string describe_repeats(const DatasetReport& report) {
  if (report.repeated_in_train + report.repeated_in_test + report.test_in_train == 0) return "none";
  std::string text =
      fmt::format("{} in the training images, {} in the test; {} test {} too", with_commas(report.repeated_in_train),
                  with_commas(report.repeated_in_test), with_commas(report.test_in_train),
                  plural(report.test_in_train, "image is a training image", "images are training images"));
  if (report.contradicting > 0)
    text += fmt::format("; {} of them under another label", with_commas(report.contradicting));
  return text;
}

void print_report(const DatasetReport& report, const TrainConfig& config, const Dataset& train, const Dataset& test,
                  std::int64_t held_out) {
  const std::string place = config.data.empty() ? "built in" : printable(config.data.native());
  Rows rows{
      {"data", fmt::format("{}: {}", config.dataset, place)},
      {"images", fmt::format("{} for training{}, {} for the test; {} x {} pixels, {}, {}", with_commas(train.size()),
                             held_out == 0 ? "" : fmt::format(" ({} of them held out)", with_commas(held_out)),
                             with_commas(test.size()), train.image_size(), train.image_size(),
                             counted(train.channels(), "colour"), counted(train.classes(), "class", "classes"))},
      {"mean", fmt::format("{} measured, {} used", colours(report.measured.mean), colours(config.mean))},
      {"std", fmt::format("{} measured, {} used", colours(report.measured.std), colours(config.std))},
      {"repeated", describe_repeats(report)}};
  if (!train.left_out().empty()) rows.emplace_back("left out", counted(train.left_out().size(), "broken file"));
  print(format_rows(rows, false));
  std::size_t width = 5;
  std::vector<std::string> names;
  for (const std::string& name : train.class_names())
    width = std::max(width, names.emplace_back(printable(name)).size());
  print_format("\n  {:<{}}  training     test\n", "class", width);
  for (std::size_t i = 0; i < names.size(); ++i) {
    print_format("  {:<{}}  {:>8}  {:>7}\n", names[i], width, with_commas(report.train_counts[i]),
                 with_commas(report.test_counts[i]));
  }
}

std::string sheet_title(const TrainConfig& config, const ContactSheet& layout) {
  std::string title = fmt::format("{}, seed {}, epoch {}: {}", config.dataset, config.seed, layout.epoch,
                                  describe(config.augmentation));
  if (config.mix.is_on()) title += "; " + describe(config.mix);
  return title;
}

std::vector<OptionGroup> all_groups(DataCommandOptions& options, TrainConfig& config) {
  std::vector<OptionGroup> groups{command_group(options)};
  const std::vector<OptionGroup> keys = config_options(config);
  groups.insert(groups.end(), keys.begin(), keys.end());
  return groups;
}

}  // namespace

CommandHelp data_help() {
  TrainConfig config;
  DataCommandOptions options;
  return command_help(
      "usage: convmixer data [--config FILE] [--data PATH] [--option value ...]\n\n"
      "Reads a data set whole and says what is in it: images of each class, mean and standard deviation, repeated\n"
      "images. --pack writes it into one safetensors file. --sheet draws samples as the training gets them, for "
      "the\n"
      "configuration's augmentation and seed, with their labels.\n",
      all_groups(options, config));
}

int data_command(std::span<const std::string> words) {
  TrainConfig config;
  DataCommandOptions options;
  const std::vector<OptionGroup> groups = all_groups(options, config);
  const CommandLine line = parse_command_line(groups, words);
  if (!line.arguments.empty()) {
    fail_usage("unexpected '{}'; did you mean --data {}?", line.arguments.front(), line.arguments.front());
  }
  assign(std::vector<OptionGroup>{command_group(options)}, line.settings);
  if (!options.config.empty()) config = read_config(options.config);
  assign(groups, line.settings);
  require_outputs(std::array{OutputFile{"pack", options.pack}, OutputFile{"sheet", options.sheet, ".png"}},
                  {options.config, config.data});
  for (const Option& option : command_group(options).options) {
    const bool is_of_sheet = option.name.starts_with("sheet-");
    if (is_of_sheet && line.find(option.name) != nullptr && options.sheet.empty())
      fail_usage("--{}: needs --sheet FILE.png", option.name);
  }
  recognise_dataset(config);
  refuse_idle_settings(config, line.settings);
  const auto note = each_once([](const std::string& text) { print_line(text); });
  const auto train = open_dataset(dataset_options(config, Split::train, note), Split::train);
  const auto test = open_dataset(dataset_options(config, Split::test, note), Split::test);
  resolve(config, *train);
  const HoldoutSplit split = config.holdout.is_on() ? split_holdout(config, *train) : HoldoutSplit{};
  print_report(examine(*train, *test), config, *train, *test, split.holdout ? split.holdout->size() : 0);
  if (!options.pack.empty()) {
    pack(options.pack, *train, *test);
    print_format("\npacked into {}{}\n", printable(options.pack.native()),
                 train->left_out().empty() ? "" : ", which says as well what was left out");
  }
  if (!options.sheet.empty()) {
    ThreadPool pool(choose_thread_count(config.threads).count);
    const PngImage sheet =
        draw_contact_sheet(options.layout, sheet_title(config, options.layout), loader_options(config, Split::train),
                           split.train ? *split.train : *train, pool);
    write_file_atomically(options.sheet, sheet.bytes);
    print_format("\ndrew {} of epoch {} into {}\n", counted(options.layout.rows * options.layout.columns, "sample"),
                 options.layout.epoch, printable(options.sheet.native()));
  }
  return 0;
}

}  // namespace convmixer::tool

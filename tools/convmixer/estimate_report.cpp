#include "estimate_report.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/data/dataset_names.hpp"
#include "convmixer/train/duration.hpp"
#include "convmixer/train/run_length.hpp"
#include "output.hpp"
#include "percent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace convmixer::tool {
namespace {

using Cells = std::vector<std::string>;

/// "411", "1,512": nobody measures more exactly.
std::string rate(double images_per_second) {
  if (images_per_second < 10.0) return fmt::format("{:.2f}", images_per_second);
  if (images_per_second < 100.0) return fmt::format("{:.1f}", images_per_second);
  return with_commas(std::llround(images_per_second));
}

Cells header(const TrainConfig& config, const TrainingPosition& position) {
  const std::string run = counted(total_epochs(config), "epoch");
  const std::string whole =
      config.image_sizes.empty() ? "" : fmt::format(" at {} px", config.image_sizes.back().image_size);
  return {"",
          "precision",
          "plan",
          "training" + whole,
          "evaluation",
          "1 epoch" + whole,
          position.step == 0 ? run : "what is left of " + run,
          "planned memory",
          "peak memory"};
}

Cells row(const PrecisionEstimate& estimate, bool chosen, const RunWork& epoch, const RunWork& run) {
  return {chosen ? "->" : "",
          std::string(to_string(estimate.precision)),
          to_string(estimate.plan),
          rate(estimate.training_rate) + " images/s",
          rate(estimate.evaluation_rate) + " images/s",
          format_time_left(estimate.seconds(epoch)),
          format_time_left(estimate.seconds(run)),
          byte_size(estimate.planned_bytes),
          byte_size(estimate.peak_bytes)};
}

/// Columns one beside the other: words to the left, numbers to the right.
std::string format_table(const std::vector<Cells>& rows) {
  constexpr std::size_t kWords = 3;  // columns
  std::vector<std::size_t> widths(rows.front().size());
  for (const Cells& cells : rows)
    for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  std::string text;
  for (const Cells& cells : rows) {
    text += "  ";
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const bool is_word = i < kWords;
      if (i > 0) text += i == 1 ? " " : "  ";
      text += is_word ? fmt::format("{:<{}}", cells[i], widths[i]) : fmt::format("{:>{}}", cells[i], widths[i]);
    }
    text += "\n";
  }
  return text;
}

std::string describe_loading(const PrecisionEstimate& estimate) {
  constexpr double kBottleneck = 0.1;
  constexpr double kFarBeyond = 2.0;
  if (estimate.supply == 0.0) return "not included: no data was given (--data PATH); the images were random";
  const std::string supply = fmt::format("a thread alone could load and augment {} images/s", rate(estimate.supply));
  const double waiting = 100.0 * estimate.wait_share;
  if (estimate.wait_share < kBottleneck)
    return fmt::format("included: steps wait {:.1f}% of their time; {}", waiting, supply);
  if (estimate.supply > kFarBeyond * estimate.training_rate)
    return fmt::format("included: steps wait {:.0f}% of their time, as an epoch of few steps does for its first; {}",
                       waiting, supply);
  return fmt::format("the bottleneck: steps wait {:.0f}% of their time for images to be loaded and augmented; {}",
                     waiting, supply);
}

/// Of the chosen precision: how fast it goes on reduced images, and how long their epochs take.
Rows reduced_rows(const PrecisionEstimate& estimate, const RunWork& epoch, const RunWork& run) {
  Rows rows;
  for (const SizeEstimate& size : estimate.reduced) {
    std::int64_t images = 0;
    for (const ReducedImages& reduced : run.reduced)
      if (reduced.image_size == size.image_size) images += reduced.images;
    const RunWork one{.test_images = epoch.test_images, .reduced = {{size.image_size, epoch.training_images}}};
    const std::string waiting =
        size.wait_share == 0.0 ? "" : fmt::format(", waiting {:.1f}% of the time for images", 100.0 * size.wait_share);
    const double speedup = size.training_rate / estimate.training_rate;
    rows.emplace_back(fmt::format("at {} px", size.image_size),
                      fmt::format("{} images/s, {:.2f} times as fast{}; an epoch takes {}, its evaluation included; {} "
                                  "images of this size are left",
                                  rate(size.training_rate), speedup, waiting, format_time_left(estimate.seconds(one)),
                                  with_commas(images)));
  }
  return rows;
}

/// ", after every 5 epochs and after the last"; nothing for every epoch.
std::string describe_interval(const TrainConfig& config) {
  if (config.eval_interval == 1) return "";
  if (config.eval_interval == 0) return ", after the last epoch only";
  return fmt::format(", after every {} epochs and after the last", config.eval_interval);
}

/// `run_seconds`: at the end of the run.
Rows notes(const RunEstimate& estimate, const TrainConfig& config, const RunImages& images, const RunWork& run,
           double run_seconds) {
  const PrecisionEstimate& chosen = estimate.chosen();
  const RunWork epoch = epoch_work(config, images);
  const std::string evaluation =
      config.average.is_on()
          ? fmt::format("{} to evaluate the weights and their average", with_commas(epoch.test_images))
          : fmt::format("an evaluation of {}{}", with_commas(epoch.test_images),
                        images.holdout > 0 ? " held-out ones" : "");
  const std::string at_end = images.holdout == 0
                                 ? std::string()
                                 : fmt::format("; after the last, one of the {} test images", with_commas(images.test));
  Rows rows{{"epoch", fmt::format("{} training images and {}{}{}", with_commas(epoch.training_images), evaluation,
                                  describe_interval(config), at_end)},
            {"chosen", fmt::format("{}: {}", to_string(chosen.precision), estimate.choice.reason)},
            {"measured", fmt::format("{} in {}, half of them within {:.1f}% of the median; measuring took {}",
                                     counted(chosen.steps, "training step"), to_string(chosen.precision),
                                     100.0 * chosen.training_spread, format_time_left(estimate.seconds))},
            {"memory",
             "planned: activations, parameters and the optimiser; peak: of the whole process, with "
             "libraries and data"},
            {"loading", describe_loading(chosen)}};
  for (auto& row : reduced_rows(chosen, epoch, run)) rows.push_back(std::move(row));
  for (const PrecisionEstimate& other : estimate.precisions) {
    if (!other.failure.empty())
      rows.emplace_back(to_string(other.precision), "can't be trained in: " + printable(other.failure));
  }
  if (!Engine::has_instructions(Precision::bf16)) {
    rows.emplace_back("bf16", Engine::supports(Precision::bf16)
                                  ? "this CPU has no instructions for it; those for f32 compute it in fused plans"
                                  : "this CPU has no instructions for it");
  }
  if (config.max_time > 0 && run_seconds > static_cast<double>(config.max_time)) {
    rows.emplace_back("limit",
                      fmt::format("max-time {} ends it before its last epoch", format_duration(config.max_time)));
  }
  if (config.patience > 0) {
    rows.emplace_back("patience", fmt::format("may end it sooner: after {} without a better {} accuracy",
                                              counted(config.patience, "epoch"), epoch_images_name(config)));
  }
  if (config.until_accuracy > 0.0) {
    rows.emplace_back("accuracy", fmt::format("may end it sooner: the first epoch of {} {} accuracy",
                                              percent(config.until_accuracy), epoch_images_name(config)));
  }
  return rows;
}

}  // namespace

EstimateData data_without_files(const TrainConfig& config) {
  constexpr int kImageSize = 32;  // of every data set that is published
  constexpr int kColours = 3;
  const auto size = known_size(config.dataset);
  const auto classes = known_classes(config.dataset);
  if (!size || !classes) fail_usage("data set '{}': expected --data PATH", config.dataset);
  const auto limited = [](std::int64_t images, std::int64_t limit) {
    return limit > 0 ? std::min(images, limit) : images;
  };
  return {.task = {.image_size = config.image_size == 0 ? kImageSize : config.image_size,
                   .channels = kColours,
                   .classes = *classes},
          .train_images = limited(size->train_images, config.train_images),
          .test_images = limited(size->test_images, config.test_images)};
}

EstimateData data_of(const Dataset& train, const Dataset& test) {
  return {.task = {.image_size = train.image_size(), .channels = train.channels(), .classes = train.classes()},
          .train_images = train.size(),
          .test_images = test.size(),
          .train = &train,
          .test = &test};
}

Option estimate_seconds_option(EstimateLimits& limits) {
  return number_option("estimate-seconds", limits.seconds, 0.01F, 3600.0F,
                       "to measure for; two thirds of it in the precision that is chosen");
}

void print_estimate(const TrainConfig& config, const PrecisionChoice& choice, const EstimateData& data,
                    const TrainingPosition& position, const EstimateLimits& limits, Engine& engine,
                    const std::function<void(const std::string&)>& print_lines, bool colour) {
  const bool both = Engine::supports(Precision::bf16);
  print_lines(
      fmt::format("measuring training steps and evaluations{}, about {} seconds, or as long as a few steps take ...",
                  both ? " in f32 and bf16" : "", limits.seconds));
  const RunEstimate estimate = estimate_run(config, choice, data, engine, limits);
  const RunImages images = run_images(config, data.train_images, data.test_images);
  const RunWork epoch = epoch_work(config, images);
  const RunWork run = work_left(config, images, position);
  std::vector<Cells> rows{header(config, position)};
  for (const PrecisionEstimate& precision : estimate.precisions) {
    if (precision.failure.empty()) rows.push_back(row(precision, &precision == &estimate.chosen(), epoch, run));
  }
  const double seconds = position.seconds + estimate.chosen().seconds(run);
  print_lines(
      fmt::format("\n{}\n{}", format_table(rows), format_rows(notes(estimate, config, images, run, seconds), colour)));
}

}  // namespace convmixer::tool

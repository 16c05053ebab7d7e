#include "run_text.hpp"

#include "convmixer/core/plural.hpp"
#include "convmixer/core/printable.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/duration.hpp"
#include "convmixer/train/run_length.hpp"
#include "percent.hpp"
#include "typed_words.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>
#include <system_error>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

std::string path(const fs::path& file) { return printable(file.native()); }

/// As part of a command to type.
std::string typed(const fs::path& file) { return as_typed({path(file)}); }

/// The best accuracy that epochs go by, and whose it is unless the trained weights' own.
std::string best_accuracy(const Trainer& trainer, const TrainConfig& config) {
  return fmt::format("{}{}", percent(trainer.position().best_accuracy),
                     config.average.is_on() ? " (averaged weights)" : "");
}

/// Whether only the evaluation of the test set may be left.
bool is_trained(const Trainer& trainer, const TrainConfig& config) {
  const auto end = reached_end(config, trainer.position());
  return end && is_for_good(*end);
}

/// ", test accuracy 93.87%", of a run with held-out images.
std::string describe_test(const Trainer& trainer, const TrainConfig& config) {
  const TrainingPosition& position = trainer.position();
  if (!config.holdout.is_on() || !position.is_best_tested()) return "";
  return fmt::format(", test accuracy {}", percent(position.test.accuracy));
}

std::string describe_best(const Trainer& trainer, const TrainConfig& config) {
  const TrainingPosition& position = trainer.position();
  const RunFolder& folder = trainer.folder();
  if (position.best_accuracy < 0.0)
    return position.epoch == 0 ? "no epoch is finished yet" : "no epoch is evaluated yet";
  const std::string test = describe_test(trainer, config);
  const std::string accuracy = fmt::format("{} accuracy {}", epoch_images_name(config), best_accuracy(trainer, config));
  if (position.best_epoch == 0)
    return fmt::format("the weights as they were, {}{}: {}", accuracy, test, path(folder.best()));
  const std::string best = fmt::format("best {} in epoch {}{}", accuracy, position.best_epoch, test);
  std::error_code ignored;
  if (fs::exists(folder.best(), ignored)) return fmt::format("{}: {}", best, path(folder.best()));
  return fmt::format(
      "{}, whose weights are gone: {} was removed{}", best, path(folder.best()),
      fs::exists(folder.last(), ignored) ? fmt::format("; the last are in {}", path(folder.last())) : "");
}

/// How a run that was stopped goes on.
std::string describe_way_on(const Trainer& trainer, const RunStart& start) {
  return fmt::format("to go on{}: convmixer train --resume {}",
                     start.extended ? "" : ", type the same command again, or", typed(trainer.folder().path));
}

/// How one that is finished may. Of --resume, neither --out nor --fresh goes with.
std::string describe_ways_after(const TrainConfig& config, const RunStart& start) {
  const std::string again = start.resumed ? "" : "to train again, choose another --out, or --fresh";
  if (!can_be_extended(config)) return again;
  return fmt::format("{}{}to train on, --extend EPOCHS", again, again.empty() ? "" : "; ");
}

std::string on_lines(const std::string& first, const std::string& second) {
  return second.empty() ? first : first + "\n" + second;
}

std::string describe_finished(const Trainer& trainer, const TrainConfig& config, const RunStart& start) {
  const TrainingPosition& position = trainer.position();
  std::string best = describe_best(trainer, config);
  if (total_epochs(config) == 0) return best;
  const std::string epochs = counted(position.epoch, "epoch");
  if (!start.was_done) return fmt::format("finished {} in {}; {}", epochs, format_time_left(position.seconds), best);
  return on_lines(fmt::format("{} is finished: {}; {}", path(trainer.folder().path), epochs, best),
                  describe_ways_after(config, start));
}

/// "reached 94.02% holdout accuracy after 31 epochs, 1h02m of training".
std::string describe_reached(const Trainer& trainer, const TrainConfig& config) {
  const TrainingPosition& position = trainer.position();
  // Asked for less than before, it may have been reached in an earlier epoch than the last.
  const std::string earlier = position.best_epoch < position.epoch ? fmt::format(" in epoch {} of", position.best_epoch)
                                                                   : std::string(" after");
  return fmt::format("reached {} {} accuracy{}{} {}, {} of training", percent(position.best_accuracy),
                     epoch_images_name(config), config.average.is_on() ? " (averaged weights)" : "", earlier,
                     counted(position.epoch, "epoch"), format_time_left(position.seconds));
}

std::string describe_accuracy_end(const Trainer& trainer, const TrainConfig& config, const RunStart& start) {
  std::string reached = fmt::format("{}{}: {}", describe_reached(trainer, config), describe_test(trainer, config),
                                    path(trainer.folder().best()));
  if (!start.was_done) return reached;
  const bool has_epochs_left = trainer.position().epoch < total_epochs(config);
  return on_lines(fmt::format("{} has {}", path(trainer.folder().path), reached),
                  has_epochs_left ? "to train on, type the same command with a higher --until-accuracy"
                                  : describe_ways_after(config, start));
}

}  // namespace

std::string describe_start(const Trainer& trainer, const TrainConfig& config) {
  const TrainingPosition& position = trainer.position();
  const std::string folder = path(trainer.folder().path);
  if (position.step == 0) return fmt::format("{} (new)", folder);
  if (is_trained(trainer, config)) return fmt::format("{}: trained to its end; the test images are left", folder);
  std::string text = fmt::format("{}: goes on in epoch {}/{} after step {}/{}", folder, position.epoch + 1,
                                 total_epochs(config), position.step_in_epoch, trainer.steps_per_epoch());
  if (position.best_epoch > 0)
    text += fmt::format("; best {} accuracy {}", epoch_images_name(config), best_accuracy(trainer, config));
  return text;
}

std::string describe_end(TrainEnd end, const Trainer& trainer, const TrainConfig& config, const RunStart& start) {
  const TrainingPosition& position = trainer.position();
  const std::string best = describe_best(trainer, config);
  switch (end) {
    case TrainEnd::finished:
      return describe_finished(trainer, config, start);
    case TrainEnd::accuracy:
      return describe_accuracy_end(trainer, config, start);
    case TrainEnd::patience:
      return fmt::format("stopped after epoch {}, in {}: no better {} accuracy for {}; {}{}", position.epoch,
                         format_time_left(position.seconds), epoch_images_name(config),
                         counted(position.epochs_without_improvement, "epoch"), best,
                         start.was_done ? "\nto train on, type the same command with a higher --patience, or 0" : "");
    case TrainEnd::time_limit:
      return fmt::format(
          "stopped at the time limit, {}; {}\nto go on{}{}", format_duration(config.max_time), best,
          start.extended
              ? fmt::format(": convmixer train --resume {} --max-time, with more of it", typed(trainer.folder().path))
              : std::string(", type the same command with more --max-time"),
          config.holdout.is_on()
              ? fmt::format("; to evaluate the test images, which are left for the end: convmixer eval {}",
                            typed(trainer.folder().path))
              : "");
    case TrainEnd::signal:
      break;
  }
  const std::string where = is_trained(trainer, config)
                                ? std::string("stopped while the test images were evaluated, with all else done")
                                : fmt::format("stopped and saved in epoch {}/{} after step {}/{}", position.epoch + 1,
                                              total_epochs(config), position.step_in_epoch, trainer.steps_per_epoch());
  return fmt::format("{}; {}\n{}", where, best, describe_way_on(trainer, start));
}

std::string describe_nothing_left(TrainEnd end, const Trainer& trainer, const TrainConfig& config) {
  std::string state = "is finished";
  if (end == TrainEnd::accuracy) state = "has " + describe_reached(trainer, config);
  if (end == TrainEnd::patience)
    state = fmt::format("had no better {} accuracy for {}", epoch_images_name(config),
                        counted(trainer.position().epochs_without_improvement, "epoch"));
  return fmt::format(
      "{} {}: nothing is left to train{}", path(trainer.folder().path), state,
      is_done(config, trainer.position()) || !config.holdout.is_on() ? "" : ", only the test images to be evaluated");
}

}  // namespace convmixer::tool

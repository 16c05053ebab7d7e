#include "convmixer/train/run_summary.hpp"

#include "train/settings_text.hpp"

namespace convmixer {
namespace {

/// Of settings that this release can't read, the model's name as they have it.
std::string model_of(const RunHistory& history) {
  TrainConfig config;
  const std::vector<OptionGroup> options = config_options(config);
  const std::vector<OptionGroup> model{select_options(options, "Model", model_option_names())};
  if (history.settings().empty() || !assign_known(model, history.settings(), config))
    return std::string(history.setting("model"));
  return entry_of(config.model).describe(config.model).name;
}

}  // namespace

RunSummary summarise(const RunHistory& history) {
  const std::optional<TestRecord> test = history.test();
  return {.folder = history.folder().path,
          .name = std::string(history.setting("name")),
          .tags = history.tags(),
          .note = std::string(history.note()),
          .model = model_of(history),
          .state = history.state(),
          .error = std::string(history.error()),
          .epochs_done = history.epochs_done(),
          .epochs_planned = history.epochs_planned(),
          .evaluated_on = std::string(history.epoch_images()),
          .best = history.best(),
          .last = history.last(),
          .test_accuracy = history.epoch_images() == "holdout" && test ? std::optional(test->accuracy) : std::nullopt,
          .seconds = history.seconds(),
          .started = history.sessions().empty() ? 0.0 : history.sessions().front().start.unix_seconds,
          .modified = history.modified(),
          .problem = history.problem()};
}

}  // namespace convmixer

#include "train/checkpointer.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/io/safetensors.hpp"
#include "convmixer/model/registry.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace convmixer {
namespace {

// Saved with the fingerprint, but no reason to refuse.
constexpr const char* kThreadsKey = "threads";
constexpr const char* kPlanKey = "plan";
// The option of config.cpp.
constexpr const char* kModelKey = "model";
constexpr const char* kWaysOut =
    "choose another --out, or --fresh to begin anew (the folder is kept under another name)";

/// The value that a saved state's fingerprint has for a key; nothing if it hasn't the key.
std::optional<std::string> saved_value(const SafetensorsFile& state, const char* key) {
  const auto entry = state.metadata().find(std::string("fingerprint.") + key);
  if (entry == state.metadata().end()) return std::nullopt;
  return entry->second;
}

Circumstances saved_circumstances(const SafetensorsFile& state) {
  Circumstances saved{.plan = saved_value(state, kPlanKey).value_or("")};
  const std::string threads = saved_value(state, kThreadsKey).value_or("");
  std::from_chars(threads.data(), threads.data() + threads.size(), saved.threads);
  return saved;
}

/// A run that a release with one model saved doesn't say which: it goes on with that one.
void forget_the_only_model(const SafetensorsFile& state, std::map<std::string, std::string>& fingerprint) {
  const auto model = fingerprint.find(kModelKey);
  if (model == fingerprint.end() || saved_value(state, kModelKey)) return;
  if (model->second == models().front().name) fingerprint.erase(model);
}

/// Adds the keys of the circumstances to a fingerprint. Earlier releases knew no plan: their states have no such key.
void add(const Circumstances& circumstances, std::map<std::string, std::string>& fingerprint) {
  fingerprint[kThreadsKey] = fmt::format("{}", circumstances.threads);
  if (!circumstances.plan.empty()) fingerprint[kPlanKey] = circumstances.plan;
}

/// Whether a weights file is that of a step; false as well for a file that is missing or damaged.
bool is_of_step(const std::filesystem::path& weights, std::int64_t step) {
  try {
    return read_checkpoint_info(weights).step == step;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

Checkpointer::Checkpointer(RunFolder folder, std::map<std::string, std::string> fingerprint, CheckpointInfo model,
                           Parameters& parameters, Optimizer& optimizer)
    : folder_(std::move(folder)),
      fingerprint_(std::move(fingerprint)),
      model_(std::move(model)),
      parameters_(parameters),
      optimizer_(optimizer) {}

std::optional<TrainingPosition> Checkpointer::restore() {
  if (!folder_.holds_state()) {
    check_no_foreign_run();
    return std::nullopt;
  }
  auto fingerprint = fingerprint_;
  {
    const SafetensorsFile state(folder_.state());
    before_ = saved_circumstances(state);
    forget_the_only_model(state, fingerprint);
  }
  add(*before_, fingerprint);
  TrainingPosition position;
  try {
    position = load_training_state(folder_.state(), parameters_, optimizer_, fingerprint);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    fail_usage("{}; {}", error.what(), kWaysOut);
  }
  saved_step_ = position.step;
  const bool at_end_of_epoch = position.epoch > 0 && position.step_in_epoch == 0;
  const bool best_missing = position.best_epoch == position.epoch && !is_of_step(folder_.best(), position.step);
  if (at_end_of_epoch && (best_missing || !is_of_step(folder_.last(), position.step))) save_epoch(position);
  return position;
}

void Checkpointer::check_no_foreign_run() const {
  for (const auto& file : {folder_.config(), folder_.metrics(), folder_.best(), folder_.last()}) {
    std::error_code ignored;  // RunFolderLock has been here
    if (std::filesystem::exists(file, ignored)) {
      fail_usage("{} holds {} but no {} to go on from; {}", folder_.path.string(), file.filename().string(),
                 folder_.state().filename().string(), kWaysOut);
    }
  }
}

void Checkpointer::save_state(const TrainingPosition& position) {
  auto fingerprint = fingerprint_;
  add(circumstances_, fingerprint);
  save_training_state(folder_.state(), parameters_, optimizer_, position, fingerprint);
  saved_step_ = position.step;
}

void Checkpointer::save_epoch(const TrainingPosition& position) {
  save_last(position, position.last_test_accuracy);
  if (position.best_epoch == position.epoch) {
    save_weights(folder_.best(), parameters_, info(position, position.best_accuracy));
  }
}

void Checkpointer::save_last(const TrainingPosition& position, double test_accuracy) {
  save_weights(folder_.last(), parameters_, info(position, test_accuracy));
}

CheckpointInfo Checkpointer::info(const TrainingPosition& position, double test_accuracy) const {
  CheckpointInfo result = model_;
  result.epoch = position.epoch;
  result.step = position.step;
  result.test_accuracy = test_accuracy;
  return result;
}

}  // namespace convmixer

#include "train/checkpointer.hpp"

#include "convmixer/checkpoint/safetensors.hpp"
#include "convmixer/core/error.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace convmixer {
namespace {

/// Saved with the fingerprint, but no reason to refuse.
constexpr const char* kThreadsKey = "threads";
constexpr const char* kWaysOut =
    "choose another --out, or --fresh to begin anew (the folder is kept under another name)";

int saved_threads(const std::filesystem::path& state) {
  const SafetensorsFile file(state);
  const auto entry = file.metadata().find(std::string("fingerprint.") + kThreadsKey);
  int threads = 0;
  if (entry != file.metadata().end()) {
    const std::string& text = entry->second;
    std::from_chars(text.data(), text.data() + text.size(), threads);
  }
  return threads;
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

Checkpointer::Checkpointer(RunFolder folder, std::map<std::string, std::string> fingerprint, int threads,
                           CheckpointInfo model, Parameters& parameters, Optimizer& optimizer)
    : folder_(std::move(folder)),
      fingerprint_(std::move(fingerprint)),
      threads_(threads),
      threads_before_(threads),
      model_(std::move(model)),
      parameters_(parameters),
      optimizer_(optimizer) {}

std::optional<TrainingPosition> Checkpointer::restore() {
  if (!folder_.holds_state()) {
    check_no_foreign_run();
    return std::nullopt;
  }
  threads_before_ = saved_threads(folder_.state());
  auto fingerprint = fingerprint_;
  fingerprint[kThreadsKey] = fmt::format("{}", threads_before_);
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
    if (std::filesystem::exists(file)) {
      fail_usage("{} holds {} but no {} to go on from; {}", folder_.path.string(), file.filename().string(),
                 folder_.state().filename().string(), kWaysOut);
    }
  }
}

void Checkpointer::save_state(const TrainingPosition& position) {
  auto fingerprint = fingerprint_;
  fingerprint[kThreadsKey] = fmt::format("{}", threads_);
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

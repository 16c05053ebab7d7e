#include "checkpoint/network_tensors.hpp"
#include "checkpoint/weights_content.hpp"
#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/error.hpp"
#include "io/metadata.hpp"
#include "io/named_tensors.hpp"
#include "io/quoted.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <span>
#include <string_view>

namespace convmixer {

namespace {

using Metadata = std::map<std::string, std::string>;

/// Of the file's layout: raised when tensors or metadata change their meaning.
constexpr std::int64_t kVersion = 1;
constexpr std::int64_t kMostNumber = std::numeric_limits<std::int64_t>::max();
constexpr const char* kOptimizerStepsKey = "optimizer.steps";
constexpr std::string_view kFingerprintPrefix = "fingerprint.";

/// Calls visit(key, field) for every field of a position, the same in both directions.
template <typename Position, typename Visit>
void visit_fields(Position& position, Visit visit) {
  visit("position.epoch", position.epoch);
  visit("position.step_in_epoch", position.step_in_epoch);
  visit("position.step", position.step);
  visit("position.best_accuracy", position.best_accuracy);
  visit("position.best_epoch", position.best_epoch);
  visit("position.epochs_without_improvement", position.epochs_without_improvement);
  visit("position.seconds", position.seconds);
  visit("position.epoch_images", position.sums.images);
  visit("position.epoch_loss_sum", position.sums.loss_sum);
  visit("position.epoch_correct", position.sums.correct);
  visit("position.epoch_seconds", position.sums.seconds);
  visit("position.epoch_wait_seconds", position.sums.wait_seconds);
  visit("position.last_test_accuracy", position.last_test_accuracy);
}

/// The same for what only positions within an epoch have that several ranks train.
template <typename Sums, typename Visit>
void visit_communication_fields(Sums& sums, Visit visit) {
  visit("position.epoch_communication_seconds", sums.communication_seconds);
  visit("position.epoch_communication_bytes", sums.communication_bytes);
}

/// The same for what only some positions have.
template <typename Test, typename Visit>
void visit_test_fields(Test& test, Visit visit) {
  visit("position.test_epoch", test.epoch);
  visit("position.test_loss", test.loss);
  visit("position.test_accuracy", test.accuracy);
  visit("position.test_accuracy_top5", test.accuracy_top5);
}

std::string to_text(std::int64_t value) { return fmt::format("{}", value); }
std::string to_text(double value) { return metadata_from(value); }

void parse_field(const SafetensorsFile& file, const char* key, std::int64_t& field) {
  field = metadata_int64(file, key, 0, kMostNumber);
}
void parse_field(const SafetensorsFile& file, const char* key, double& field) { field = metadata_double(file, key); }

/// Weights, statistics, optimiser state and averages, if any.
template <typename Value, typename Source>
std::vector<NamedTensor<Value>> list_state(Source& parameters, Optimizer& optimizer, WeightAverage* average) {
  std::vector<NamedTensor<Value>> tensors;
  list_network(parameters, "weights.", "statistics.", tensors);
  for (const OptimizerState& state : optimizer.state()) {
    tensors.push_back({fmt::format("optimizer.{}", state.name), state.shape, state.values});
  }
  if (average == nullptr) return tensors;
  for (const OptimizerState& state : average->state()) {
    tensors.push_back({fmt::format("average.{}", state.name), state.shape, state.values});
  }
  return tensors;
}

Metadata saved_fingerprint(const SafetensorsFile& file) {
  Metadata fingerprint;
  for (const auto& [key, value] : file.metadata()) {
    if (key.starts_with(kFingerprintPrefix)) fingerprint[key.substr(kFingerprintPrefix.size())] = value;
  }
  return fingerprint;
}

/// The value of a key for a message.
std::string described(const Metadata& fingerprint, const std::string& key) {
  const auto found = fingerprint.find(key);
  return found == fingerprint.end() ? "nothing" : quoted(found->second);
}

void require_state(const SafetensorsFile& file) {
  if (!file.metadata().contains(kStateVersionKey)) fail("{}: not a saved training state", file.path().string());
}

void check_version(const SafetensorsFile& file) {
  require_state(file);
  if (const std::int64_t version = metadata_int64(file, kStateVersionKey, 0, kMostNumber); version != kVersion) {
    fail("{}: a training state of version {}, expected {}: another release of this program wrote it",
         file.path().string(), version, kVersion);
  }
}

TrainingPosition position_of(const SafetensorsFile& file) {
  TrainingPosition position;
  const auto parse = [&](const char* key, auto& field) { parse_field(file, key, field); };
  visit_fields(position, parse);
  if (file.metadata().contains("position.epoch_communication_bytes")) visit_communication_fields(position.sums, parse);
  if (file.metadata().contains("position.test_accuracy")) visit_test_fields(position.test, parse);
  return position;
}

}  // namespace

std::map<std::string, std::string> read_training_fingerprint(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  require_state(file);
  return saved_fingerprint(file);
}

void compare_fingerprints(const std::filesystem::path& path, const Metadata& saved, const Metadata& present) {
  constexpr std::size_t kMostTold = 3;
  Metadata all = saved;
  all.insert(present.begin(), present.end());
  std::vector<std::string> differences;
  for (const auto& [key, value] : all) {
    const std::string was = described(saved, key);
    const std::string is = described(present, key);
    if (was != is)
      differences.push_back(fmt::format("{} was {} when it was saved and is {} now", quoted(key), was, is));
  }
  if (differences.empty()) return;
  const std::size_t told = std::min(kMostTold, differences.size());
  const std::string rest = differences.size() > told ? fmt::format(", and {} more", differences.size() - told) : "";
  fail_usage("{}: this training can't go on with other settings: {}{}", path.string(),
             fmt::join(std::span(differences).first(told), ", "), rest);
}

bool TrainingPosition::finish_epoch(std::optional<double> accuracy) noexcept {
  ++epoch;
  const bool best = accuracy && *accuracy > best_accuracy;
  if (best) {
    best_accuracy = *accuracy;
    best_epoch = epoch;
  }
  epochs_without_improvement = best ? 0 : epochs_without_improvement + 1;
  last_test_accuracy = accuracy.value_or(-1.0);
  return best;
}

void TrainingPosition::begin_epoch() noexcept {
  step_in_epoch = 0;
  sums = {};
}

void save_training_state(const std::filesystem::path& path, const Parameters& parameters, Optimizer& optimizer,
                         const TrainingPosition& position, const Metadata& fingerprint, WeightAverage* average) {
  Metadata metadata{{"generator", generator()},
                    {kStateVersionKey, to_text(kVersion)},
                    {kOptimizerStepsKey, to_text(optimizer.steps())}};
  const auto write = [&](const char* key, const auto& field) { metadata[key] = to_text(field); };
  visit_fields(position, write);
  if (position.sums.communication_bytes > 0) visit_communication_fields(position.sums, write);
  if (position.test.accuracy >= 0.0) visit_test_fields(position.test, write);
  for (const auto& [key, value] : fingerprint) metadata[fmt::format("{}{}", kFingerprintPrefix, key)] = value;

  std::vector<TensorView> views;
  for (const auto& tensor : list_state<const float>(parameters, optimizer, average)) views.push_back(view_of(tensor));
  write_safetensors(path, views, metadata);
}

TrainingPosition read_training_position(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  check_version(file);
  return position_of(file);
}

TrainingPosition load_training_state(const std::filesystem::path& path, Parameters& parameters, Optimizer& optimizer,
                                     const Metadata& fingerprint, WeightAverage* average) {
  const SafetensorsFile file(path);
  check_version(file);
  compare_fingerprints(path, saved_fingerprint(file), fingerprint);
  const TrainingPosition position = position_of(file);
  const std::int64_t steps = metadata_int64(file, kOptimizerStepsKey, 0, Optimizer::kMostSteps);

  fill_from(file, list_state<float>(parameters, optimizer, average), [](const auto&, const auto&) { return false; });
  optimizer.set_steps(steps);
  return position;
}

}  // namespace convmixer

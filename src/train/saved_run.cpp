#include "train/saved_run.hpp"

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/train/config.hpp"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

namespace convmixer {
namespace {

using Settings = SavedRun::Settings;

// Saved with the settings, but none of them.
constexpr const char* kThreadsKey = "threads";
constexpr const char* kPlanKey = "plan";
constexpr const char* kRanksKey = "ranks";
constexpr std::string_view kDataPrefix = "data.";
constexpr std::string_view kInitialPrefix = "init.";

bool is_setting(const std::string& key) {
  return key != kThreadsKey && key != kPlanKey && key != kRanksKey && !key.starts_with(kDataPrefix) &&
         !key.starts_with(kInitialPrefix);
}

std::string value_of(const Settings& settings, const char* key) {
  const auto found = settings.find(key);
  return found == settings.end() ? std::string() : found->second;
}

/// 0 if it isn't there.
int number_of(const Settings& settings, const char* key) {
  const std::string text = value_of(settings, key);
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Settings read_state(const RunFolder& folder) {
  try {
    return read_training_fingerprint(folder.state());
  } catch (const Error& error) {
    fail_with_ways_out(error);
  }
}

}  // namespace

SavedRun::SavedRun(const RunFolder& folder) : folder_(folder), saved_(read_state(folder)) {}

Circumstances SavedRun::circumstances() const {
  return {.threads = number_of(saved_, kThreadsKey),
          .plan = value_of(saved_, kPlanKey),
          .ranks = number_of(saved_, kRanksKey)};
}

std::optional<DataIdentity> SavedRun::data() const {
  Settings text;
  for (const auto& [key, value] : saved_)
    if (key.starts_with(kDataPrefix)) text[key.substr(kDataPrefix.size())] = value;
  return identity_from(text);
}

SavedRun::Settings SavedRun::initial_weights() const {
  Settings record;
  for (const auto& [key, value] : saved_)
    if (key.starts_with(kInitialPrefix)) record[key] = value;
  return record;
}

void SavedRun::require_settings(const Settings& settings) const {
  Settings present = fingerprint_for(settings);
  if (data()) {
    for (const char* key : {"mean", "std"})
      if (saved_.contains(key)) present[key] = saved_.at(key);
  }
  try {
    compare_fingerprints(folder_.state(), saved_, present);
  } catch (const Error& error) {
    fail_with_ways_out(error);
  }
}

SavedRun::Settings SavedRun::fingerprint_for(const Settings& settings) const {
  static const Settings kDefaults = fingerprint(TrainConfig{});
  Settings result;
  for (const auto& [key, value] : settings) {
    const auto usual = kDefaults.find(key);
    if (saved_.contains(key) || usual == kDefaults.end() || usual->second != value) result[key] = value;
  }
  for (const auto& [key, value] : saved_)
    if (!is_setting(key)) result[key] = value;
  return result;
}

SavedRun::Settings fingerprint_of(const Settings& settings, const Circumstances& circumstances,
                                  const DataIdentity& data, const Settings& initial_weights) {
  Settings result = settings;
  result.insert(initial_weights.begin(), initial_weights.end());
  result[kThreadsKey] = fmt::format("{}", circumstances.threads);
  if (!circumstances.plan.empty()) result[kPlanKey] = circumstances.plan;
  if (circumstances.ranks > 0) result[kRanksKey] = fmt::format("{}", circumstances.ranks);
  for (const auto& [key, value] : to_text(data)) result[fmt::format("{}{}", kDataPrefix, key)] = value;
  return result;
}

void fail_with_ways_out(const Error& error) {
  if (error.kind() == ErrorKind::usage) fail_usage("{}; {}", error.what(), kWaysOut);
  fail("{}; a copy of the file in its place lets the run go on; otherwise {}", error.what(), kWaysOut);
}

}  // namespace convmixer

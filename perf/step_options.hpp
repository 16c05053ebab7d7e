/// What step_bench is told: the settings of `convmixer train` that decide a step, and its own.
#pragma once

#include "convmixer/train/config.hpp"

#include <filesystem>
#include <span>
#include <string>

namespace convmixer::perf {

struct StepOptions {
  std::filesystem::path config_file;  ///< that `config` begins with; empty: none
  TrainConfig config;
  bool inference = false;
  ExchangeTime exchange = ExchangeTime::measured;
  int steps = 20;
  int warmup = 3;
  float peak_seconds = 2.0F;  ///< for each of the two peaks
  std::filesystem::path json;
};

/// Configuration file first, then the command line. Throws Error (usage) naming the option.
[[nodiscard]] StepOptions read_step_options(std::span<const std::string> words);

[[nodiscard]] std::string step_options_help();

}  // namespace convmixer::perf

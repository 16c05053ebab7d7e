/// A run in a few figures, for a list of runs.
#pragma once

#include "convmixer/train/run_history.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace convmixer {

struct RunSummary {
  std::filesystem::path folder;
  std::string name;  ///< as it was called; empty if it wasn't
  std::vector<std::string> tags;
  std::string note;
  std::string model;  ///< "ConvMixer-256/8"
  RunState state = RunState::stopped;
  std::string error;  ///< RunHistory::error()
  std::int64_t epochs_done = 0;
  std::int64_t epochs_planned = 0;      ///< 0: not known
  std::string evaluated_on;             ///< "test" or "holdout", what best and last are of
  std::optional<EpochAccuracy> best{};  ///< nothing: no epoch was evaluated
  std::optional<EpochAccuracy> last{};
  std::optional<double> test_accuracy{};  ///< of the best, where epochs go by held-out images
  double seconds = 0.0;                   ///< of training and evaluation, pauses left out
  double started = 0.0;                   ///< seconds since 1970; 0: not known
  double modified = 0.0;                  ///< likewise, when its files were last written to
  std::string problem;                    ///< RunHistory::problem()
};

[[nodiscard]] RunSummary summarise(const RunHistory& history);

}  // namespace convmixer

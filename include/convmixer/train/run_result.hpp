/// What a run has come to, read from its folder.
#pragma once

#include "convmixer/train/config.hpp"
#include "convmixer/train/run_folder.hpp"

#include <cstdint>
#include <optional>

namespace convmixer {

/// The first epoch that was as good as a run was to become.
struct ReachedEpoch {
  std::int64_t epoch = 0;
  double seconds = 0.0;  ///< of training and evaluation up to its end
};

struct RunResult {
  bool ended = false;       ///< trained with its configuration it would stop at once, by a time limit too
  std::int64_t epochs = 0;  ///< finished
  std::int64_t best_epoch = 0;
  double best_accuracy = -1.0;  ///< 0..1, as `best` goes by; -1: nothing was evaluated yet
  double last_accuracy = -1.0;
  double test_accuracy = -1.0;  ///< of the best weights, where epochs go by held-out images; -1: not known
  double seconds = 0.0;         ///< of training and evaluation, stops left out
  /// By metrics.jsonl, the epoch that reached config.until_accuracy; nothing if none did, or nothing was to be reached.
  /// Lines there that are no records are left out.
  std::optional<ReachedEpoch> reached{};
};

/// Of a folder that holds a state. Throws Error naming the file that can't be read.
[[nodiscard]] RunResult read_run_result(const RunFolder& folder, const TrainConfig& config);

}  // namespace convmixer

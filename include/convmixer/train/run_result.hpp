/// What a run has come to, read from its folder.
#pragma once

#include "convmixer/train/config.hpp"
#include "convmixer/train/run_folder.hpp"

#include <cstdint>

namespace convmixer {

struct RunResult {
  bool ended = false;       ///< trained with its configuration it would stop at once, by a time limit too
  std::int64_t epochs = 0;  ///< finished
  std::int64_t best_epoch = 0;
  double best_accuracy = -1.0;  ///< 0..1, as `best` goes by; -1: nothing was evaluated yet
  double last_accuracy = -1.0;
  bool holdout = false;         ///< these two are of held-out images
  double test_accuracy = -1.0;  ///< then: that of the best weights on the test set; -1: not evaluated yet
  double seconds = 0.0;         ///< of training and evaluation, stops left out
};

/// Of a folder that holds a state. Throws Error naming the file that can't be read.
[[nodiscard]] RunResult read_run_result(const RunFolder& folder, const TrainConfig& config);

}  // namespace convmixer

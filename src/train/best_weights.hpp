/// The weights that best.safetensors holds, put into a network for a while.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/graph/parameters.hpp"
#include "convmixer/train/run_folder.hpp"

#include <cstdint>
#include <vector>

namespace convmixer {

/// Parameters and statistics are best's as long as this lives; then they are again what they were before.
class BestWeights {
 public:
  /// Reads them into `parameters`, which is borrowed. Throws Error naming the file when it can't be read, or holds the
  /// weights of another epoch; then nothing is changed.
  BestWeights(const RunFolder& folder, std::int64_t best_epoch, Parameters& parameters);
  ~BestWeights();
  BestWeights(const BestWeights&) = delete;
  BestWeights& operator=(const BestWeights&) = delete;

  /// Writes the file again, with what the test set gave.
  void save_with_test_accuracy(double accuracy);

 private:
  RunFolder folder_;
  CheckpointInfo info_;
  Parameters& parameters_;
  std::vector<std::vector<float>> before_;  // values, then statistics
};

}  // namespace convmixer

/// The weights that best.safetensors holds, put into a network for a while. Of several ranks, rank 0 has the file.
#pragma once

#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/dist/communicator.hpp"
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
  BestWeights(const RunFolder& folder, std::int64_t best_epoch, Parameters& parameters, Communicator& ranks);
  ~BestWeights();
  BestWeights(const BestWeights&) = delete;
  BestWeights& operator=(const BestWeights&) = delete;

  /// Writes the file again, with what the test set gave, on rank 0.
  void save_with_test_accuracy(double accuracy);

 private:
  RunFolder folder_;
  CheckpointInfo info_;  // on rank 0
  Parameters& parameters_;
  bool writes_;
  std::vector<std::vector<float>> before_;  // values, then statistics
};

}  // namespace convmixer

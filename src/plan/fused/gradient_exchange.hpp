/// Gradients that several ranks add up once their backward passes are through.
#pragma once

#include "convmixer/dist/communicator.hpp"

#include <functional>
#include <span>
#include <utility>
#include <vector>

namespace convmixer::fused {

/// What stages leave of their rank's share of the batch, and what they make of the sum over all ranks. Long ones, such
/// as a pointwise convolution's, are what takes time; what norms need at once goes with their statistics (ChunkSums).
class GradientExchange {
 public:
  void add(std::span<float> gradient) { floats_.push_back(gradient); }
  /// `finish` makes f32 gradients of sums that are kept in double, so that they are rounded once.
  void add(std::span<double> sums, std::function<void()> finish) { doubles_.push_back({sums, std::move(finish)}); }

  void run(Communicator& ranks) const {
    for (const std::span<float> gradient : floats_) ranks.sum(gradient);
    for (const Doubles& doubles : doubles_) {
      ranks.sum(doubles.sums);
      doubles.finish();
    }
  }

 private:
  struct Doubles {
    std::span<double> sums;
    std::function<void()> finish;
  };

  std::vector<std::span<float>> floats_;
  std::vector<Doubles> doubles_;
};

}  // namespace convmixer::fused

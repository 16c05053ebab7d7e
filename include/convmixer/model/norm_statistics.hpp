/// Running statistics of batch norms computed anew, for weights that no training step has run with.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/model/network.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

/// The mean of each batch's mean and unbiased variance over so many batches, every batch counting alike, as
/// torch.optim.swa_utils.update_bn computes them. Norms that are frozen, or have a momentum of 0, keep theirs. All
/// ranks come to the same.
class NormStatistics {
 public:
  /// `network` must outlive it.
  explicit NormStatistics(Network& network);
  /// Without finish(), after an exception say, the network has the statistics that it had before.
  ~NormStatistics();
  NormStatistics(const NormStatistics&) = delete;
  NormStatistics& operator=(const NormStatistics&) = delete;

  /// A batch, or this rank's share of one of all ranks, as the loader gives it; its micro-batches
  /// (Network::set_micro_batch) count as one batch each. Takes and throws what Network::move_statistics does.
  void add(std::span<const float> images, std::int64_t images_of_all_ranks);
  /// Whether there is a norm whose statistics it computes.
  [[nodiscard]] bool has_any() const noexcept { return !statistics_.empty(); }
  /// Gives the network the means, if there was a batch.
  void finish();

 private:
  struct Statistic {
    std::span<float> values;  // of the network
    float momentum;
    std::vector<float> before;
    std::vector<double> sum;
  };

  void add_at_once(std::span<const float> images, std::int64_t images_of_all_ranks);

  Network& network_;
  std::vector<Statistic> statistics_;
  std::int64_t batches_ = 0;
  bool finished_ = false;
};

}  // namespace convmixer

#include "convmixer/model/norm_statistics.hpp"

#include "core/batch_chunks.hpp"

#include <algorithm>
#include <variant>

namespace convmixer {

NormStatistics::NormStatistics(Network& network) : network_(network) {
  for (const Node& node : network.graph().nodes()) {
    const auto* const norm = std::get_if<BatchNorm>(&node.operation);
    if (norm == nullptr || norm->frozen || norm->momentum == 0.0F) continue;
    for (const StatisticId id : {norm->running_mean, norm->running_var}) {
      const std::span<float> values = network.parameters().statistic(id);
      statistics_.push_back(
          {values, norm->momentum, {values.begin(), values.end()}, std::vector<double>(values.size())});
    }
  }
}

NormStatistics::~NormStatistics() {
  if (finished_) return;
  for (const Statistic& statistic : statistics_) std::ranges::copy(statistic.before, statistic.values.begin());
}

void NormStatistics::add(std::span<const float> images, std::int64_t images_of_all_ranks) {
  const auto pixels = static_cast<std::size_t>(network_.graph().tensors().front().count());
  const MicroBatches parts = network_.micro_batches(images_of_all_ranks);
  for (std::int64_t part = 0; part + 1 < parts.count(); ++part) {
    const BatchChunks share(static_cast<std::size_t>(parts.size(part)), network_.ranks().rank(),
                            network_.ranks().size());
    const std::size_t values = std::min(share.images() * pixels, images.size());
    add_at_once(images.first(values), parts.size(part));
    images = images.subspan(values);
  }
  add_at_once(images, parts.size(parts.count() - 1));  // which refuses too many and parts of images
}

/// A norm moves its statistics to (1 - momentum) * before + momentum * the batch's: from 0, that is the batch's.
void NormStatistics::add_at_once(std::span<const float> images, std::int64_t images_of_all_ranks) {
  for (const Statistic& statistic : statistics_) std::ranges::fill(statistic.values, 0.0F);
  network_.move_statistics(images, images_of_all_ranks);
  for (Statistic& statistic : statistics_) {
    for (std::size_t i = 0; i < statistic.sum.size(); ++i)
      statistic.sum[i] += static_cast<double>(statistic.values[i]) / static_cast<double>(statistic.momentum);
  }
  ++batches_;
}

void NormStatistics::finish() {
  if (batches_ == 0) return;
  for (Statistic& statistic : statistics_) {
    for (std::size_t i = 0; i < statistic.sum.size(); ++i)
      statistic.values[i] = static_cast<float>(statistic.sum[i] / static_cast<double>(batches_));
  }
  finished_ = true;
}

}  // namespace convmixer

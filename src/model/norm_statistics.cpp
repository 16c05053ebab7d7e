#include "convmixer/model/norm_statistics.hpp"

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

void NormStatistics::add(std::span<const float> images) {
  const auto pixels = static_cast<std::size_t>(network_.graph().tensors().front().count());
  const MicroBatches parts = network_.micro_batches(static_cast<std::int64_t>(images.size() / pixels));
  if (parts.count() == 1 || images.size() % pixels != 0) return add_at_once(images);  // which refuses parts of images
  std::size_t first = 0;
  for (std::int64_t part = 0; part < parts.count(); ++part) {
    const auto count = static_cast<std::size_t>(parts.size(part)) * pixels;
    add_at_once(images.subspan(first, count));
    first += count;
  }
}

/// A norm moves its statistics to (1 - momentum) * before + momentum * the batch's: from 0, that is the batch's.
void NormStatistics::add_at_once(std::span<const float> images) {
  for (const Statistic& statistic : statistics_) std::ranges::fill(statistic.values, 0.0F);
  network_.move_statistics(images);
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

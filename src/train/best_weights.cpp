#include "train/best_weights.hpp"

#include "convmixer/core/error.hpp"

#include <algorithm>
#include <span>

namespace convmixer {
namespace {

/// Values and statistics, in a fixed order.
std::vector<std::span<float>> all_of(Parameters& parameters) {
  const Graph& graph = parameters.graph();
  std::vector<std::span<float>> spans;
  for (ParameterId id = 0; id < static_cast<ParameterId>(graph.parameters().size()); ++id)
    spans.push_back(parameters.value(id));
  for (StatisticId id = 0; id < static_cast<StatisticId>(graph.statistics().size()); ++id)
    spans.push_back(parameters.statistic(id));
  return spans;
}

}  // namespace

BestWeights::BestWeights(const RunFolder& folder, std::int64_t best_epoch, Parameters& parameters, Communicator& ranks)
    : folder_(folder), parameters_(parameters), writes_(ranks.rank() == 0) {
  if (writes_) {
    info_ = read_checkpoint_info(folder.best());
    if (info_.epoch != best_epoch) {
      fail("{}: holds the weights of epoch {}, expected those of epoch {}, which is the best", folder.best().string(),
           info_.epoch, best_epoch);
    }
  }
  for (const std::span<float> values : all_of(parameters_)) before_.emplace_back(values.begin(), values.end());
  if (writes_) load_weights(folder.best(), parameters_);
  for (const std::span<float> values : all_of(parameters_)) ranks.broadcast(std::as_writable_bytes(values), 0);
}

BestWeights::~BestWeights() {
  const std::vector<std::span<float>> now = all_of(parameters_);
  for (std::size_t i = 0; i < now.size(); ++i) std::ranges::copy(before_[i], now[i].begin());
}

void BestWeights::save_with_test_accuracy(double accuracy) {
  if (!writes_) return;
  info_.test_accuracy = accuracy;
  save_weights(folder_.best(), parameters_, info_);
}

}  // namespace convmixer

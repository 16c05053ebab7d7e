#include "convmixer/optim/weight_average.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/trace.hpp"
#include "kernels/weight_average.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <variant>

namespace convmixer {

namespace {

/// The running statistics of the norms that move them.
std::set<StatisticId> moving_statistics(const Graph& graph) {
  std::set<StatisticId> ids;
  for (const Node& node : graph.nodes()) {
    const auto* const norm = std::get_if<BatchNorm>(&node.operation);
    if (norm != nullptr && !norm->frozen) ids.insert({norm->running_mean, norm->running_var});
  }
  return ids;
}

}  // namespace

double average_decay(const WeightAverageOptions& options, std::int64_t number) {
  constexpr double kPower = 2.0 / 3.0;
  const auto decay = static_cast<double>(options.decay);
  if (number <= 1) return 0.0;
  return options.warmup ? std::min(decay, 1.0 - std::pow(static_cast<double>(number), -kPower)) : decay;
}

WeightAverage::WeightAverage(Parameters& parameters, const WeightAverageOptions& options, ThreadPool& pool)
    : options_(options), pool_(pool) {
  if (!(options.decay >= 0.0F && options.decay < 1.0F)) {
    fail_usage("decay of averaged weights = {}: expected a number from 0 to below 1", options.decay);
  }
  const Graph& graph = parameters.graph();
  for (const ParameterId id : trained_parameters(graph)) {
    const Parameter& parameter = graph.parameters()[static_cast<std::size_t>(id)];
    add(parameter.name, parameter.shape, parameters.value(id));
  }
  const std::size_t weights = tensors_.size();
  for (const StatisticId id : moving_statistics(graph)) {
    const Statistic& statistic = graph.statistics()[static_cast<std::size_t>(id)];
    add(statistic.name, statistic.shape, parameters.statistic(id));
  }
  place();
  cut_into_tasks(options.statistics == AverageStatistics::averaged ? tensors_.size() : weights);
}

void WeightAverage::add(const std::string& name, const Shape& shape, std::span<float> values) {
  tensors_.push_back({{name, shape, {}}, values});
}

/// Gives the averages memory, each on cache lines of its own, and the values as they are.
void WeightAverage::place() {
  constexpr std::size_t kCacheLine = 16;
  const auto padded = [](std::size_t count) { return (count + kCacheLine - 1) / kCacheLine * kCacheLine; };
  std::size_t size = 0;
  for (const Tensor& tensor : tensors_) size += padded(tensor.values.size());
  if (size > 0) averages_ = AlignedBuffer(size * sizeof(float));
  std::size_t offset = 0;
  for (Tensor& tensor : tensors_) {
    const std::size_t count = tensor.values.size();
    tensor.average.values = averages_.as<float>().subspan(offset, count);
    std::copy_n(tensor.values.begin(), count, tensor.average.values.begin());
    offset += padded(count);
  }
}

/// Of about equal work, by the tensors' sizes alone.
void WeightAverage::cut_into_tasks(std::size_t tensors) {
  constexpr std::size_t kTaskValues = 32768;  // of the values and of the averages: 256 KiB
  std::size_t in_task = 0;
  for (const Tensor& tensor : std::span(tensors_).first(tensors)) {
    const std::size_t count = tensor.values.size();
    for (std::size_t begin = 0; begin < count; begin += kTaskValues) {
      const std::size_t values = std::min(kTaskValues, count - begin);
      parts_.push_back({tensor.values.data() + begin, tensor.average.values.data() + begin, values});
      in_task += values;
      if (in_task < kTaskValues) continue;
      task_ends_.push_back(parts_.size());
      in_task = 0;
    }
  }
  if (in_task > 0) task_ends_.push_back(parts_.size());
}

void WeightAverage::update(std::int64_t number) {
  static const TraceName kAverage("averaged weights");
  const TraceScope scope(kAverage, number);
  if (exchanged_) fail_usage("averaged weights: no update while they are in place of the network's values");
  const double decay = average_decay(options_, number);
  pool_.for_each_task(static_cast<std::int64_t>(task_ends_.size()), [&](std::int64_t task, int /*worker*/) {
    const auto index = static_cast<std::size_t>(task);
    for (std::size_t i = index == 0 ? 0 : task_ends_[index - 1]; i < task_ends_[index]; ++i) {
      kernels::average_update(parts_[i].values, parts_[i].averages, parts_[i].count, decay);
    }
  });
}

std::vector<OptimizerState> WeightAverage::state() {
  std::vector<OptimizerState> averages;
  for (const Tensor& tensor : tensors_) averages.push_back(tensor.average);
  return averages;
}

void WeightAverage::exchange() noexcept {
  for (const Tensor& tensor : tensors_) std::ranges::swap_ranges(tensor.values, tensor.average.values);
  exchanged_ = !exchanged_;
}

AveragedWeights::AveragedWeights(WeightAverage& average) : average_(average) {
  if (average.exchanged_) fail_usage("averaged weights: they are in place of the network's values already");
  average_.exchange();
}

AveragedWeights::~AveragedWeights() { average_.exchange(); }

}  // namespace convmixer

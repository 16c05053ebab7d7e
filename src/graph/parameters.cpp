#include "convmixer/graph/parameters.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/rng.hpp"

#include <algorithm>
#include <cmath>

namespace convmixer {

namespace {

// Every tensor begins on a cache line of its own.
constexpr std::size_t kAlignmentFloats = 16;

/// Appends the offset of each item and returns the size of all, in floats.
template <typename Items>
std::size_t lay_out(const Items& items, std::vector<std::size_t>& offsets) {
  std::size_t end = 0;
  for (const auto& item : items) {
    offsets.push_back(end);
    const auto count = static_cast<std::size_t>(item.shape.count());
    end += (count + kAlignmentFloats - 1) / kAlignmentFloats * kAlignmentFloats;
  }
  return end;
}

void check_id(const char* kind, int id, std::size_t count) {
  if (id < 0 || static_cast<std::size_t>(id) >= count) fail_usage("{} {}: the network has only {}", kind, id, count);
}

/// As torch.nn does it.
void draw_by_role(std::span<float> values, const Parameter& parameter, Rng& rng) {
  switch (parameter.role) {
    case ParameterRole::norm_scale:
      std::ranges::fill(values, 1.0F);
      break;
    case ParameterRole::norm_shift:
      std::ranges::fill(values, 0.0F);
      break;
    case ParameterRole::embedding:
      std::ranges::generate(values, [&] { return rng.normal(); });
      break;
    case ParameterRole::weight:
    case ParameterRole::bias: {
      const float bound = 1.0F / std::sqrt(static_cast<float>(parameter.fan_in));
      std::ranges::generate(values, [&] { return rng.uniform(-bound, bound); });
      break;
    }
  }
}

/// Standard normal, but drawn again until it lies within two standard deviations.
float truncated_normal(Rng& rng) {
  constexpr float kMost = 2.0F;
  float value = rng.normal();
  while (std::abs(value) > kMost) value = rng.normal();
  return value;
}

void draw(std::span<float> values, const Parameter& parameter, Rng& rng) {
  using Distribution = Initialisation::Distribution;
  const float scale = parameter.initialisation.scale;
  switch (parameter.initialisation.distribution) {
    case Distribution::of_role:
      draw_by_role(values, parameter, rng);
      break;
    case Distribution::constant:
      std::ranges::fill(values, scale);
      break;
    case Distribution::uniform:
      std::ranges::generate(values, [&] { return rng.uniform(-scale, scale); });
      break;
    case Distribution::normal:
      std::ranges::generate(values, [&] { return scale * rng.normal(); });
      break;
    case Distribution::truncated_normal:
      std::ranges::generate(values, [&] { return scale * truncated_normal(rng); });
      break;
  }
}

}  // namespace

Parameters::Parameters(const Graph& graph) : graph_(&graph) {
  const std::size_t parameters = lay_out(graph.parameters(), offsets_) * sizeof(float);
  values_ = AlignedBuffer(parameters);
  gradients_ = AlignedBuffer(parameters);
  statistics_ = AlignedBuffer(lay_out(graph.statistics(), statistic_offsets_) * sizeof(float));
  for (std::size_t id = 0; id < graph.statistics().size(); ++id) {
    std::ranges::fill(statistic(static_cast<StatisticId>(id)), graph.statistics()[id].initial);
  }
}

std::span<float> Parameters::slice(AlignedBuffer& block, ParameterId id) {
  check_id("parameter", id, offsets_.size());
  const auto index = static_cast<std::size_t>(id);
  return block.as<float>().subspan(offsets_[index],
                                   static_cast<std::size_t>(graph_->parameters()[index].shape.count()));
}

std::span<float> Parameters::statistic(StatisticId id) {
  check_id("statistic", id, statistic_offsets_.size());
  const auto index = static_cast<std::size_t>(id);
  return statistics_.as<float>().subspan(statistic_offsets_[index],
                                         static_cast<std::size_t>(graph_->statistics()[index].shape.count()));
}

std::span<const float> Parameters::value(ParameterId id) const { return const_cast<Parameters*>(this)->value(id); }

std::span<const float> Parameters::gradient(ParameterId id) const {
  return const_cast<Parameters*>(this)->gradient(id);
}

std::span<const float> Parameters::statistic(StatisticId id) const {
  return const_cast<Parameters*>(this)->statistic(id);
}

void Parameters::initialise(std::uint64_t seed) {
  const auto& parameters = graph_->parameters();
  for (std::size_t index = 0; index < parameters.size(); ++index) {
    Rng rng(seed, RandomStream::initialisation, static_cast<std::uint32_t>(index));
    draw(value(static_cast<ParameterId>(index)), parameters[index], rng);
  }
  for (std::size_t index = 0; index < graph_->statistics().size(); ++index) {
    std::ranges::fill(statistic(static_cast<StatisticId>(index)), graph_->statistics()[index].initial);
  }
}

}  // namespace convmixer

#include "core/summary.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace convmixer {

namespace {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

}  // namespace

Summary summarise(const std::vector<double>& samples) {
  const double middle = median(samples);
  std::vector<double> distances;
  for (const double sample : samples) distances.push_back(std::abs(sample - middle));
  return {middle, median(distances)};
}

std::vector<std::size_t> middle_half(const std::vector<double>& samples) {
  std::vector<std::size_t> order(samples.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const double middle = median(samples);
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return std::abs(samples[i] - middle); });
  order.resize((samples.size() + 1) / 2);
  std::ranges::sort(order, {}, [&](std::size_t i) { return samples[i]; });
  return order;
}

}  // namespace convmixer

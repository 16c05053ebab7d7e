#include "stage_batch.hpp"

#include "convmixer/core/rng.hpp"

#include <fmt/format.h>

#include <numbers>

namespace convmixer::perf {

float stage_noise(std::uint64_t seed, std::uint64_t place, Range range) {
  // As Tensor's: Steele, Lea & Flood's splitmix64.
  std::uint64_t x = (place + (seed << 40)) * 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return range.low + (range.high - range.low) * static_cast<float>(x >> 40) * 0x1p-24F;
}

StageBatch::StageBatch(const Trial& trial)
    : runtime(trial.runtime()),
      pool(trial.pool()),
      images(static_cast<std::size_t>(trial.setting().batch)),
      height(static_cast<std::size_t>(trial.setting().activations()[2])),
      width(static_cast<std::size_t>(trial.setting().activations()[3])),
      pixels(height * width),
      channels(static_cast<std::size_t>(trial.setting().shapes().dim)),
      padded(kernels::padded_channels(channels)),
      blocks(padded / kernels::kChannelBlock),
      chunks(images) {}

void StageSums::clear(std::size_t chunk) {
  std::fill_n(first.data() + chunk * stride, stride, 0.0);
  std::fill_n(second.data() + chunk * stride, stride, 0.0);
}

void Comparison::add(double found, double expected, const std::string& place) {
  pairs_.push_back({found, expected, place});
}

void Comparison::finish() const {
  // As Trial's: f32 sums of up to a million products; bf16 results are rounded by 4e-3.
  const double tolerance = type_ == kernels::ElementType::f32 ? 1e-4 : 8e-3;
  double largest = 0.0;
  for (const Pair& pair : pairs_) largest = std::max(largest, std::abs(pair.expected));
  for (const Pair& pair : pairs_) {
    if (std::abs(pair.found - pair.expected) <= tolerance * largest) continue;  // never so for a NaN
    fail("{}: found {} at {}, expected {}", what_, pair.found, pair.place, pair.expected);
  }
}

void visit_samples(const StageBatch& batch,
                   const std::function<void(std::size_t, std::size_t, std::size_t, const std::string&)>& visit) {
  constexpr int kSamples = 128;
  Rng rng(1, RandomStream::synthetic_data);
  for (int i = 0; i < kSamples; ++i) {
    const auto below = [&](std::size_t count) {
      if (i == 0) return std::size_t{0};
      if (i == 1) return count - 1;
      return static_cast<std::size_t>(rng.below(static_cast<std::uint32_t>(count)));
    };
    const std::size_t image = below(batch.images);
    const std::size_t channel = below(batch.channels);
    const std::size_t pixel = below(batch.pixels);
    visit(image, channel, pixel, fmt::format("image {}, channel {}, pixel {}", image, channel, pixel));
  }
}

void visit_sum_samples(const StageBatch& batch,
                       const std::function<void(std::size_t, std::size_t, const std::string&)>& visit) {
  for (const std::size_t chunk : {std::size_t{0}, batch.chunks.count() - 1}) {
    for (const std::size_t channel :
         {std::size_t{0}, std::size_t{7}, batch.channels / 2, batch.channels - 2, batch.channels - 1}) {
      if (channel >= batch.channels) continue;
      visit(chunk, channel, fmt::format("chunk {}, channel {}", chunk, channel));
    }
  }
}

double exact_gelu(double x) { return 0.5 * x * std::erfc(-x / std::numbers::sqrt2); }

double exact_gelu_derivative(double x) {
  const double density = std::exp(-0.5 * x * x) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
  return 0.5 * std::erfc(-x / std::numbers::sqrt2) + x * density;
}

}  // namespace convmixer::perf

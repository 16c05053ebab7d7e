#include "peaks/best_time.hpp"
#include "peaks/peak.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

// Everything between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE is compiled once for each instruction set: Highway
// includes this file again for each. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "peaks/fma_peak.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#ifndef CONVMIXER_FMA_PEAK_TYPES
#define CONVMIXER_FMA_PEAK_TYPES
namespace convmixer::perf {

struct FmaWork {
  double flops;
  float sum;  ///< of everything computed: a result that is used can't be left out by the compiler
  const char* instructions;
};

}  // namespace convmixer::perf
#endif

HWY_BEFORE_NAMESPACE();
namespace convmixer::perf::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Twelve independent chains: two units times a latency of up to five cycles need ten, and with the two factors they
/// fit into AVX2's 16 registers. Each begins elsewhere, so that no two are the same to the compiler.
FmaWork multiply_add(std::int64_t rounds, float factor, float summand) {
  const hn::ScalableTag<float> d;
  const auto f = hn::Set(d, factor);
  const auto s = hn::Set(d, summand);
  auto a0 = hn::Set(d, 0.0F);
  auto a1 = hn::Set(d, 0.1F);
  auto a2 = hn::Set(d, 0.2F);
  auto a3 = hn::Set(d, 0.3F);
  auto a4 = hn::Set(d, 0.4F);
  auto a5 = hn::Set(d, 0.5F);
  auto a6 = hn::Set(d, 0.6F);
  auto a7 = hn::Set(d, 0.7F);
  auto a8 = hn::Set(d, 0.8F);
  auto a9 = hn::Set(d, 0.9F);
  auto a10 = hn::Set(d, 1.0F);
  auto a11 = hn::Set(d, 1.1F);
  for (std::int64_t i = 0; i < rounds; ++i) {
    a0 = hn::MulAdd(a0, f, s);
    a1 = hn::MulAdd(a1, f, s);
    a2 = hn::MulAdd(a2, f, s);
    a3 = hn::MulAdd(a3, f, s);
    a4 = hn::MulAdd(a4, f, s);
    a5 = hn::MulAdd(a5, f, s);
    a6 = hn::MulAdd(a6, f, s);
    a7 = hn::MulAdd(a7, f, s);
    a8 = hn::MulAdd(a8, f, s);
    a9 = hn::MulAdd(a9, f, s);
    a10 = hn::MulAdd(a10, f, s);
    a11 = hn::MulAdd(a11, f, s);
  }
  const auto low = hn::Add(hn::Add(hn::Add(a0, a1), hn::Add(a2, a3)), hn::Add(a4, a5));
  const auto high = hn::Add(hn::Add(hn::Add(a6, a7), hn::Add(a8, a9)), hn::Add(a10, a11));
  constexpr double kChains = 12.0;
  return {2.0 * kChains * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds),
          hn::GetLane(hn::SumOfLanes(d, hn::Add(low, high))), hwy::TargetName(HWY_TARGET)};
}

}  // namespace convmixer::perf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::perf {

HWY_EXPORT(multiply_add);

Peak fma_peak(kernels::Runtime& runtime, std::chrono::duration<double> time) {
  constexpr std::int64_t kRounds = 100'000;     // about half a millisecond
  constexpr std::int64_t kPartsPerThread = 16;  // so that a thread that begins late costs little
  std::vector<FmaWork> parts(static_cast<std::size_t>(runtime.threads() * kPartsPerThread));
  volatile float factor = 0.9999F;  // unknown to the compiler
  const float by = factor;
  const double seconds = best_time(time, [&] {
    runtime.parallel_for(static_cast<std::int64_t>(parts.size()), [&](std::int64_t i) {
      parts[static_cast<std::size_t>(i)] = HWY_DYNAMIC_DISPATCH(multiply_add)(kRounds, by, 1e-4F);
    });
  });
  double flops = 0.0;
  for (const FmaWork& part : parts) flops += part.flops;
  return {flops / seconds, parts.front().instructions};
}

}  // namespace convmixer::perf
#endif

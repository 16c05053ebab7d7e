#include "kernels/fused/chunk_sums.hpp"

// Compiled once for each instruction set: see batch_norm.cpp. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/fused/chunk_sums.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Doubles = hn::CappedTag<double, 8>;
using OneDouble = hn::CappedTag<double, 1>;

/// Calls part(tag, c) for vectors of channels, and with a tag of one lane for the channels that are left over.
template <class Part>
HWY_INLINE void for_channels(std::size_t channels, const Part& part) {
  std::size_t c = 0;
  for (; c + hn::Lanes(Doubles()) <= channels; c += hn::Lanes(Doubles())) part(Doubles(), c);
  for (; c < channels; ++c) part(OneDouble(), c);
}

void moments(const ChunkMomentSums& sums, std::size_t channels, double* mean, double* square) {
  std::size_t all = 0;
  for (std::size_t chunk = 0; chunk < sums.chunks; ++chunk) all += sums.values[chunk];
  for_channels(channels, [&](auto d, std::size_t c) HWY_ATTR {
    const hn::Rebind<float, decltype(d)> floats;
    const auto origin_of = [&](std::size_t chunk) HWY_ATTR {
      return hn::PromoteTo(d, hn::LoadU(floats, sums.origin + chunk * sums.stride + c));
    };
    auto total = hn::Zero(d);
    for (std::size_t chunk = 0; chunk < sums.chunks; ++chunk) {
      const auto n = hn::Set(d, static_cast<double>(sums.values[chunk]));
      total = hn::Add(total, hn::MulAdd(n, origin_of(chunk), hn::LoadU(d, sums.sum + chunk * sums.stride + c)));
    }
    const auto centre = hn::Div(total, hn::Set(d, static_cast<double>(all)));
    auto squares = hn::Zero(d);
    for (std::size_t chunk = 0; chunk < sums.chunks; ++chunk) {
      const auto n = hn::Set(d, static_cast<double>(sums.values[chunk]));
      const auto sum = hn::LoadU(d, sums.sum + chunk * sums.stride + c);
      const auto distance = hn::Sub(centre, origin_of(chunk));
      const auto change = hn::NegMulAdd(hn::Set(d, 2.0), sum, hn::Mul(n, distance));
      squares = hn::Add(squares, hn::MulAdd(distance, change, hn::LoadU(d, sums.square + chunk * sums.stride + c)));
    }
    hn::StoreU(centre, d, mean + c);
    hn::StoreU(squares, d, square + c);
  });
}

void total(const double* rows, std::size_t chunks, std::size_t stride, std::size_t channels, double* result) {
  for_channels(channels, [&](auto d, std::size_t c) HWY_ATTR {
    auto sum = hn::Zero(d);
    for (std::size_t chunk = 0; chunk < chunks; ++chunk) sum = hn::Add(sum, hn::LoadU(d, rows + chunk * stride + c));
    hn::StoreU(sum, d, result + c);
  });
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

HWY_EXPORT(moments);
HWY_EXPORT(total);

void chunk_moments(const ChunkMomentSums& sums, std::size_t channels, double* mean, double* square) {
  HWY_DYNAMIC_DISPATCH(moments)(sums, channels, mean, square);
}
void chunk_total(const double* rows, std::size_t chunks, std::size_t stride, std::size_t channels, double* result) {
  HWY_DYNAMIC_DISPATCH(total)(rows, chunks, stride, channels, result);
}

}  // namespace convmixer::kernels
#endif

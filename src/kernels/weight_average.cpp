#include "kernels/weight_average.hpp"

#include <algorithm>
#include <array>

// Compiled once for each instruction set: see batch_norm.cpp. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/weight_average.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, 16>;
using FloatVector = hn::Vec<Floats>;

/// Calls update(value, average) for each vector, the last of which may be part of a vector of zeros.
template <class Update>
HWY_INLINE void update_all(const float* values, float* averages, std::size_t count, const Update& update) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(update(hn::LoadU(d, values + i), hn::LoadU(d, averages + i)), d, averages + i);
  }
  if (i == count) return;
  alignas(64) std::array<float, 16> last_values{};
  alignas(64) std::array<float, 16> last_averages{};
  std::copy(values + i, values + count, last_values.begin());
  std::copy(averages + i, averages + count, last_averages.begin());
  hn::Store(update(hn::Load(d, last_values.data()), hn::Load(d, last_averages.data())), d, last_averages.data());
  std::copy_n(last_averages.begin(), count - i, averages + i);
}

void average(const float* values, float* averages, std::size_t count, double decay) {
  const Floats d;
  constexpr double kHalf = 0.5;
  if (decay > kHalf) {
    const auto weight = hn::Set(d, static_cast<float>(1.0 - decay));
    update_all(values, averages, count, [&](FloatVector value, FloatVector of_before) HWY_ATTR {
      return hn::MulAdd(weight, hn::Sub(value, of_before), of_before);
    });
  } else {
    const auto keep = hn::Set(d, static_cast<float>(decay));
    update_all(values, averages, count, [&](FloatVector value, FloatVector of_before) HWY_ATTR {
      return hn::NegMulAdd(keep, hn::Sub(value, of_before), value);
    });
  }
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

HWY_EXPORT(average);

void average_update(const float* values, float* averages, std::size_t count, double decay) {
  HWY_DYNAMIC_DISPATCH(average)(values, averages, count, decay);
}

}  // namespace convmixer::kernels
#endif

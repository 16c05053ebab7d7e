#include "kernels/plain/gelu.hpp"

#include <algorithm>
#include <array>

// Everything between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE is compiled once for each instruction set: Highway
// includes this file again for each. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/plain/gelu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "kernels/plain/element-inl.h"
#include "kernels/plain/gelu-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, 16>;
constexpr std::size_t kMostLanes = 16;

template <typename Result>
void gelu_as(std::size_t count, const float* src, Result* dst) {
  const Floats d;
  const FineGelu<Floats> gelu(d);
  const std::size_t whole = count / hn::Lanes(d) * hn::Lanes(d);
  for (std::size_t i = 0; i < whole; i += hn::Lanes(d)) store(gelu.value(hn::LoadU(d, src + i)), d, dst + i);
  if (whole == count) return;
  std::array<float, kMostLanes> x{};
  std::array<Result, kMostLanes> y{};
  std::copy_n(src + whole, count - whole, x.begin());
  store(gelu.value(hn::LoadU(d, x.data())), d, y.data());
  std::copy_n(y.begin(), count - whole, dst + whole);
}

template <typename Gradient, typename Result>
void gelu_gradient_as(std::size_t count, const float* src, const Gradient* diff_dst, Result* diff_src) {
  const Floats d;
  const FineGelu<Floats> gelu(d);
  const auto times_derivative = [&](const float* x, const Gradient* dy, Result* dx) HWY_ATTR {
    store(hn::Mul(load(d, dy), gelu(hn::LoadU(d, x)).gelu_derivative), d, dx);
  };
  const std::size_t whole = count / hn::Lanes(d) * hn::Lanes(d);
  for (std::size_t i = 0; i < whole; i += hn::Lanes(d)) times_derivative(src + i, diff_dst + i, diff_src + i);
  if (whole == count) return;
  std::array<float, kMostLanes> x{};
  std::array<Gradient, kMostLanes> dy{};
  std::array<Result, kMostLanes> dx{};
  std::copy_n(src + whole, count - whole, x.begin());
  std::copy_n(diff_dst + whole, count - whole, dy.begin());
  times_derivative(x.data(), dy.data(), dx.data());
  std::copy_n(dx.begin(), count - whole, diff_src + whole);
}

void gelu_of(std::size_t count, const float* src, const WrittenValues& dst) {
  with_elements(dst, [&](auto* y) { gelu_as(count, src, y); });
}

void gelu_gradient_of(std::size_t count, const float* src, const ReadValues& diff_dst, const WrittenValues& diff_src) {
  with_elements(diff_dst, [&](const auto* dy) {
    with_elements(diff_src, [&](auto* dx) { gelu_gradient_as(count, src, dy, dx); });
  });
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

HWY_EXPORT(gelu_of);
HWY_EXPORT(gelu_gradient_of);

namespace {

/// Calls body(first, count) for parts of the values, a task each.
template <typename Body>
void for_each_part(Runtime& runtime, std::int64_t count, const Body& body) {
  constexpr std::int64_t kPart = 16384;
  runtime.parallel_for((count + kPart - 1) / kPart, [&](std::int64_t part) {
    const std::int64_t first = part * kPart;
    body(static_cast<std::size_t>(first), static_cast<std::size_t>(std::min(kPart, count - first)));
  });
}

}  // namespace

void gelu(Runtime& runtime, std::int64_t count, const float* src, const WrittenValues& dst) {
  for_each_part(runtime, count, [&](std::size_t first, std::size_t values) {
    HWY_DYNAMIC_DISPATCH(gelu_of)(values, src + first, dst.from(first));
  });
}

void gelu_gradient(Runtime& runtime, std::int64_t count, const float* src, const ReadValues& diff_dst,
                   const WrittenValues& diff_src) {
  for_each_part(runtime, count, [&](std::size_t first, std::size_t values) {
    HWY_DYNAMIC_DISPATCH(gelu_gradient_of)(values, src + first, diff_dst.from(first), diff_src.from(first));
  });
}

}  // namespace convmixer::kernels
#endif

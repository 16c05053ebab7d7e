// GELU and its derivative as fused stages keep them, for vectors; included once for each instruction set.
#if defined(CONVMIXER_KERNELS_GELU_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_GELU_INL_H
#undef CONVMIXER_KERNELS_GELU_INL_H
#else
#define CONVMIXER_KERNELS_GELU_INL_H
#endif

#include "kernels/fused/stage_storage.hpp"
#include "kernels/plain/gelu-inl.h"
#include "kernels/plain/gelu_table.hpp"

#include <hwy/highway.h>

#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
/// Piece by piece from GeluTable, value and derivative: 15 operations, where ExactGelu takes 34. Returns the
/// derivative's distance from 1/2, as DerivativeCode keeps it.
template <class D>
class RoundedGelu {
  using V = hn::Vec<D>;

 public:
  explicit RoundedGelu(D d) : d_(d) {
    const GeluTable& table = gelu_table();
    for (std::size_t power = 0; power < 3; ++power) {
      value_[power] = hn::LoadU(d, table.value[power].data());
      gelu_derivative_[power] = hn::LoadU(d, table.gelu_derivative[power].data());
    }
  }

  HWY_INLINE GeluResult<V> operator()(V x) const {
    constexpr float kToInteger = 8388608.0F;  // 2^23: the lowest mantissa bits of a sum with it are an integer
    constexpr float kLast = static_cast<float>(GeluTable::kSegments - 1) * GeluTable::kWidth;
    const V magnitude = hn::Abs(x);
    const V position = hn::MulAdd(hn::Min(magnitude, hn::Set(d_, kLast)), hn::Set(d_, 1.0F / GeluTable::kWidth),
                                  hn::Set(d_, kToInteger));
    const __m512i segment = _mm512_castps_si512(position.raw);
    const auto at = [&](const V& coefficients) HWY_ATTR {
      return V{_mm512_permutexvar_ps(segment, coefficients.raw)};  // looks at the four lowest bits
    };
    const V f = hn::MulAdd(hn::MulAdd(at(value_[2]), magnitude, at(value_[1])), magnitude, at(value_[0]));
    const V gelu_derivative = hn::MulAdd(hn::MulAdd(at(gelu_derivative_[2]), magnitude, at(gelu_derivative_[1])),
                                         magnitude, at(gelu_derivative_[0]));
    // Far below zero the value is 0 or wrong by a rounding: its sign still tells the derivative's side.
    return {hn::CopySign(hn::MulAdd(x, hn::Set(d_, 0.5F), f), x), gelu_derivative};
  }
  HWY_INLINE V value(V x) const { return (*this)(x).value; }

 private:
  D d_;
  V value_[3];
  V gelu_derivative_[3];
};
#else
/// The same results from ExactGelu, for instruction sets that don't look tables up.
template <class D>
class RoundedGelu {
  using V = hn::Vec<D>;

 public:
  explicit RoundedGelu(D d) : d_(d), exact_(d) {}

  HWY_INLINE GeluResult<V> operator()(V x) const {
    const auto [value, gelu_derivative] = exact_(x);
    return {hn::CopySign(value, x), hn::Abs(hn::Sub(gelu_derivative, hn::Set(d_, 0.5F)))};
  }
  HWY_INLINE V value(V x) const { return exact_.value(x); }

 private:
  D d_;
  ExactGelu<D> exact_;
};
#endif

/// The GELU whose error is below the rounding of what `Storage` keeps.
template <class Storage, class D>
struct GeluFor;
template <class D>
struct GeluFor<F32Storage, D> {
  using Type = FineGelu<D>;
};
template <class D>
struct GeluFor<Bf16StemStorage, D> {
  using Type = FineGelu<D>;
};
template <class D>
struct GeluFor<Bf16Storage, D> {
  using Type = RoundedGelu<D>;
};

/// ReLU as `Storage` keeps it: where the derivative is a DerivativeCode the value's sign, that of a zero too, tells
/// which of 0 and 1 it is.
template <class Storage, class D>
class StageRelu {
  using V = hn::Vec<D>;

 public:
  explicit StageRelu(D d) : d_(d) {}

  HWY_INLINE GeluResult<V> operator()(V x) const {
    const auto positive = hn::Gt(x, hn::Zero(d_));
    if constexpr (std::is_same_v<typename Storage::GeluDerivative, DerivativeCode>) {
      return {hn::IfThenElse(positive, x, hn::Set(d_, -0.0F)), hn::Set(d_, 0.5F)};
    } else {
      return {hn::IfThenElseZero(positive, x), hn::IfThenElseZero(positive, hn::Set(d_, 1.0F))};
    }
  }
  HWY_INLINE V value(V x) const { return (*this)(x).value; }

 private:
  D d_;
};

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target

// GELU and its derivative for vectors, to f32's rounding; included once for each instruction set.
#if defined(CONVMIXER_KERNELS_PLAIN_GELU_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_PLAIN_GELU_INL_H
#undef CONVMIXER_KERNELS_PLAIN_GELU_INL_H
#else
#define CONVMIXER_KERNELS_PLAIN_GELU_INL_H
#endif

#include "kernels/plain/gelu_table.hpp"

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// A value of GELU and its derivative as the storage keeps it: itself, or for DerivativeCode its distance from 1/2.
template <class V>
struct GeluResult {
  V value;
  V gelu_derivative;
};

/// To f32's rounding: Phi(x) = 1 - q(x) for x >= 0, q(-x) else, with q(x) = phi-weighted polynomial of Abramowitz &
/// Stegun, "Handbook of Mathematical Functions", 7.1.26, absolute error 7.5e-8.
///
/// The value alone takes two thirds of the operations: x / 2 + |x| r(|x|) with r(x) = Phi(x) - 1/2 = x a(x^2) / b(x^2),
/// polynomials of degree 5 fitted to r up to 5.2, where it is 1/2 but for 1e-7: absolute error of r 3e-9 before
/// rounding.
template <class D>
class ExactGelu {
  using V = hn::Vec<D>;

 public:
  explicit ExactGelu(D d) : d_(d) {}

  HWY_INLINE GeluResult<V> operator()(V x) const {
    const V magnitude = hn::Abs(x);
    // exp(-x^2 / 2) = 2^n 2^f with a whole number n and |f| <= 1/2; anything below 2^-126 counts as 2^-126.
    const V exponent = hn::Max(hn::Mul(hn::Mul(x, x), set(-0.72134752044448170F)), set(-126.0F));
    const V whole = hn::Round(exponent);
    const V f = hn::Sub(exponent, whole);
    V power = set(1.5403530393381608e-4F);
    power = hn::MulAdd(power, f, set(1.3333558146428443e-3F));
    power = hn::MulAdd(power, f, set(9.6181291076284771e-3F));
    power = hn::MulAdd(power, f, set(5.5504108664821580e-2F));
    power = hn::MulAdd(power, f, set(2.4022650695910071e-1F));
    power = hn::MulAdd(power, f, set(6.9314718055994531e-1F));
    power = hn::MulAdd(power, f, set(1.0F));
    const hn::RebindToSigned<D> integer;
    const auto bits = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(integer, whole), hn::Set(integer, 127)));
    const V bell = hn::Mul(power, hn::BitCast(d_, bits));

    const V t = reciprocal(hn::MulAdd(magnitude, set(0.3275911F * 0.70710678F), set(1.0F)));
    V tail = set(0.5F * 1.061405429F);
    tail = hn::MulAdd(tail, t, set(0.5F * -1.453152027F));
    tail = hn::MulAdd(tail, t, set(0.5F * 1.421413741F));
    tail = hn::MulAdd(tail, t, set(0.5F * -0.284496736F));
    tail = hn::MulAdd(tail, t, set(0.5F * 0.254829592F));
    const V q = hn::Mul(hn::Mul(tail, t), bell);
    // Highway 1.0.3's IfNegativeThenElse mixes bits of both on SSSE3.
    const V distribution = hn::IfThenElse(hn::Lt(x, hn::Zero(d_)), q, hn::Sub(set(1.0F), q));
    return {hn::Mul(x, distribution), hn::MulAdd(hn::Mul(x, set(0.39894228F)), bell, distribution)};
  }

  HWY_INLINE V value(V x) const {
    const V magnitude = hn::Abs(x);
    const V near = hn::Min(magnitude, set(5.2F));
    const V square = hn::Mul(near, near);
    V a = set(2.4730827e-08F);
    a = hn::MulAdd(a, square, set(6.4078768e-06F));
    a = hn::MulAdd(a, square, set(1.5686316e-04F));
    a = hn::MulAdd(a, square, set(4.608654e-03F));
    a = hn::MulAdd(a, square, set(3.254473e-02F));
    a = hn::MulAdd(a, square, set(3.9894226e-01F));
    V b = set(1.258859e-06F);
    b = hn::MulAdd(b, square, set(7.049649e-05F));
    b = hn::MulAdd(b, square, set(1.8172113e-03F));
    b = hn::MulAdd(b, square, set(2.7926784e-02F));
    b = hn::MulAdd(b, square, set(2.4824388e-01F));
    b = hn::MulAdd(b, square, set(1.0F));
    const V r = hn::Mul(hn::Mul(near, a), reciprocal(b));
    return hn::MulAdd(magnitude, r, hn::Mul(x, set(0.5F)));
  }

 private:
  HWY_INLINE V set(float value) const { return hn::Set(d_, value); }
  HWY_INLINE V reciprocal(V of) const {
    const V estimate = hn::ApproximateReciprocal(of);
    return hn::Mul(estimate, hn::NegMulAdd(of, estimate, set(2.0F)));  // Newton's step
  }
  D d_;
};

#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
/// Piece by piece from FineGeluTable: 20 operations without the derivative, as many as ExactGelu takes; 28 and 34 with
/// it.
template <class D>
class FineGelu {
  using V = hn::Vec<D>;

 public:
  explicit FineGelu(D d) : d_(d) {
    const FineGeluTable& table = fine_gelu_table();
    for (std::size_t k = 0; k <= kDegree; ++k) coefficients_[k] = hn::LoadU(d, table.coefficient[k].data());
  }

  HWY_INLINE GeluResult<V> operator()(V x) const {
    constexpr float kToInteger = 8388608.0F;  // 2^23: the lowest mantissa bits of a sum with it are an integer
    constexpr float kLast = static_cast<float>(FineGeluTable::kSegments - 1);
    const V magnitude = hn::Abs(x);
    const V scaled = hn::Mul(magnitude, hn::Set(d_, 1.0F / FineGeluTable::kWidth));
    const V position = hn::Min(scaled, hn::Set(d_, kLast));
    const V shifted = hn::Add(position, hn::Set(d_, kToInteger));
    const V t = hn::Sub(position, hn::Sub(shifted, hn::Set(d_, kToInteger)));
    const __m512i segment = _mm512_castps_si512(shifted.raw);
    const auto at = [&](std::size_t k) HWY_ATTR {
      return V{_mm512_permutexvar_ps(segment, coefficients_[k].raw)};  // looks at the four lowest bits
    };
    // Horner's rule, for q and for its derivative by t.
    V q = hn::MulAdd(at(kDegree), t, at(kDegree - 1));
    V derivative = at(kDegree);
    HWY_UNROLL(6)
    for (std::size_t k = kDegree - 1; k-- > 0;) {
      derivative = hn::MulAdd(derivative, t, q);
      q = hn::MulAdd(q, t, at(k));
    }
    const V gelu_derivative = hn::MulAdd(scaled, derivative, q);  // |x| q'(|x|) is scaled times the derivative by t
    return {hn::MulAdd(x, hn::Set(d_, 0.5F), hn::Mul(magnitude, q)),
            hn::Add(hn::CopySign(gelu_derivative, x), hn::Set(d_, 0.5F))};
  }
  HWY_INLINE V value(V x) const { return (*this)(x).value; }

 private:
  static constexpr std::size_t kDegree = FineGeluTable::kDegree;
  D d_;
  V coefficients_[kDegree + 1];
};
#else
template <class D>
using FineGelu = ExactGelu<D>;
#endif

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target

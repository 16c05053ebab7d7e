// The loops of norm_stage.hpp; included once for each instruction set.
// Sizes (channel block, group, word): see "Words" in HACKING.md.
#if defined(CONVMIXER_KERNELS_NORM_STAGE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVMIXER_KERNELS_NORM_STAGE_INL_H
#undef CONVMIXER_KERNELS_NORM_STAGE_INL_H
#else
#define CONVMIXER_KERNELS_NORM_STAGE_INL_H
#endif

#include "kernels/fused/gelu-inl.h"
#include "kernels/fused/norm_stage.hpp"
#include "kernels/fused/row_vectors-inl.h"
#include "kernels/fused/stage_element-inl.h"
#include "kernels/fused/stage_word-inl.h"
#include "kernels/plain/channel_group.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
// The loops take their arguments by value: what they store might otherwise change them, for all the compiler knows.
// They add up kStageRowsInF32 rows in f32 before those sums go to double.

/// GeluForward by this function; `kTraining` with the derivatives and the sums.
template <class Storage, std::size_t kGroups, bool kTraining, class Function>
void activation_rows(GeluForward<Storage> a) {
  const StageFloats d;
  constexpr std::size_t kVectors = kRowVectors<kGroups>;
  const Function gelu(d);
  if (kTraining && a.moments.begins) {
    for (std::size_t lane = 0; lane < kGroups * kGroup; lane += hn::Lanes(d)) {
      hn::StoreU(gelu(hn::LoadU(d, a.src + lane)).value, d, a.moments.origin + lane);
    }
  }
  alignas(64) static constexpr std::array<float, kChannelBlock> kNoOrigin{};
  const RowCoefficients<kVectors> origin(kTraining ? a.moments.origin : kNoOrigin.data());
  for (std::size_t begin = 0; begin < a.rows; begin += kStageRowsInF32) {
    const std::size_t end = std::min(a.rows, begin + kStageRowsInF32);
    StageVector sum[kVectors];
    StageVector square[kVectors];
    set_zero(sum);
    set_zero(square);
    for (std::size_t row = begin; row < end; ++row) {
      HWY_UNROLL(4)
      for (std::size_t i = 0; i < kVectors; ++i) {
        const std::size_t lane = i * hn::Lanes(d);
        const StageVector x = hn::LoadU(d, a.src + row * a.stride + lane);
        if constexpr (!kTraining) {
          store_stage(gelu.value(x), d, a.value + row * kChannelBlock + lane);
        } else {
          const auto [value, gelu_derivative] = gelu(x);
          store_stage(value, d, a.value + row * kChannelBlock + lane);
          store_derivative(gelu_derivative, d, a.gelu_derivative + row * kChannelBlock + lane);
          const StageVector centred = hn::Sub(value, origin.vectors[i]);
          sum[i] = hn::Add(sum[i], centred);
          square[i] = hn::MulAdd(centred, centred, square[i]);
        }
      }
    }
    if constexpr (kTraining) {
      add_to_doubles(sum, a.moments.sum);
      add_to_doubles(square, a.moments.square);
    }
  }
}

/// GeluForward by the activation that it names.
template <class Storage, std::size_t kGroups, bool kTraining>
void gelu_forward_rows(const GeluForward<Storage>& a) {
  if (a.activation == StageActivation::relu) {
    activation_rows<Storage, kGroups, kTraining, StageRelu<Storage, StageFloats>>(a);
  } else {
    activation_rows<Storage, kGroups, kTraining, typename GeluFor<Storage, StageFloats>::Type>(a);
  }
}

template <class Storage>
void gelu_forward_any(const GeluForward<Storage>& a) {
  if (a.gelu_derivative != nullptr) {
    a.groups == 1 ? gelu_forward_rows<Storage, 1, true>(a) : gelu_forward_rows<Storage, 2, true>(a);
  } else {
    a.groups == 1 ? gelu_forward_rows<Storage, 1, false>(a) : gelu_forward_rows<Storage, 2, false>(a);
  }
}

/// NormForward; `kResidual` with value1, `kWords` in words of two rows.
template <class Storage, bool kResidual, bool kWords>
void norm_forward_rows(NormForward<Storage> a) {
  const StageFloats d;
  constexpr std::size_t kVectors = kRowVectors<2>;
  const RowCoefficients<kVectors> scale0(a.scale0);
  const RowCoefficients<kVectors> scale1(kResidual ? a.scale1 : a.scale0);
  const RowCoefficients<kVectors> shift(a.shift);
  const auto prefetch = [&](std::size_t row) HWY_ATTR {
    prefetch_ahead(a.value0 + row * kChannelBlock);
    if constexpr (kResidual) prefetch_ahead(a.value1 + row * kChannelBlock);
  };
  const auto normalised = [&](std::size_t row, std::size_t i) HWY_ATTR {
    const std::size_t at = row * kChannelBlock + i * hn::Lanes(d);
    StageVector sum = hn::MulAdd(load_stage(d, a.value0 + at), scale0.vectors[i], shift.vectors[i]);
    if constexpr (kResidual) sum = hn::MulAdd(load_stage(d, a.value1 + at), scale1.vectors[i], sum);
    return sum;
  };
  if constexpr (kWords) {
    std::size_t row = 0;
    for (; row + 2 <= a.rows; row += 2) {
      prefetch(row);
      prefetch(row + 1);
      HWY_UNROLL(4)
      for (std::size_t i = 0; i < kVectors; ++i) {
        const UpperBf16 first = upper_bf16(normalised(row, i));
        hn::StoreU(word_of(first, upper_bf16(normalised(row + 1, i))), d,
                   a.words + row / 2 * kChannelBlock + i * hn::Lanes(d));
      }
    }
    if (row == a.rows) return;
    for (std::size_t i = 0; i < kVectors; ++i) {
      hn::StoreU(word_of(upper_bf16(normalised(row, i)), no_bf16()), d,
                 a.words + row / 2 * kChannelBlock + i * hn::Lanes(d));
    }
  } else {
    for (std::size_t row = 0; row < a.rows; ++row) {
      prefetch(row);
      HWY_UNROLL(4)
      for (std::size_t i = 0; i < kVectors; ++i) {
        store_stage(normalised(row, i), d, a.dst + row * a.stride + i * hn::Lanes(d));
      }
    }
  }
}

template <class Storage, bool kResidual>
void norm_forward_to(const NormForward<Storage>& a) {
  if constexpr (Storage::kValuesPerWord == 2) {
    if (a.words != nullptr) return norm_forward_rows<Storage, kResidual, true>(a);
  }
  norm_forward_rows<Storage, kResidual, false>(a);
}

template <class Storage>
void norm_forward_any(const NormForward<Storage>& a) {
  a.value1 != nullptr ? norm_forward_to<Storage, true>(a) : norm_forward_to<Storage, false>(a);
}

/// ResidualSum; `kThree` with value2.
template <class Storage, bool kThree>
void residual_sum_rows(ResidualSum<Storage> a) {
  const StageFloats d;
  constexpr std::size_t kVectors = kRowVectors<2>;
  const RowCoefficients<kVectors> scale0(a.scale0);
  const RowCoefficients<kVectors> scale1(a.scale1);
  const RowCoefficients<kVectors> scale2(kThree ? a.scale2 : a.scale1);
  const RowCoefficients<kVectors> shift(a.shift);
  for (std::size_t row = 0; row < a.rows; ++row) {
    HWY_UNROLL(4)
    for (std::size_t i = 0; i < kVectors; ++i) {
      const std::size_t at = row * kChannelBlock + i * hn::Lanes(d);
      StageVector sum = hn::MulAdd(load_stage(d, a.value0 + at), scale0.vectors[i], shift.vectors[i]);
      sum = hn::MulAdd(load_stage(d, a.value1 + at), scale1.vectors[i], sum);
      if constexpr (kThree) sum = hn::MulAdd(load_stage(d, a.value2 + at), scale2.vectors[i], sum);
      store_stage(sum, d, a.dst + at);
    }
  }
}

template <class Storage>
void residual_sum_any(const ResidualSum<Storage>& a) {
  a.value2 != nullptr ? residual_sum_rows<Storage, true>(a) : residual_sum_rows<Storage, false>(a);
}

template <class Value>
void value_sums_any(const Value* values, std::size_t rows, double* sums) {
  const StageFloats d;
  constexpr std::size_t kVectors = kRowVectors<2>;
  std::fill_n(sums, kChannelBlock, 0.0);
  for (std::size_t begin = 0; begin < rows; begin += kStageRowsInF32) {
    StageVector sum[kVectors];
    set_zero(sum);
    for (std::size_t row = begin; row < std::min(rows, begin + kStageRowsInF32); ++row) {
      HWY_UNROLL(4)
      for (std::size_t i = 0; i < kVectors; ++i)
        sum[i] = hn::Add(sum[i], load_stage(d, values + row * kChannelBlock + i * hn::Lanes(d)));
    }
    add_to_doubles(sum, sums);
  }
}

/// (a diff_dst + b value + c) gelu_derivative of the vector at the offset `at`; without `kDiffDst`, diff_dst is 0.
template <class Storage, bool kDiffDst>
HWY_INLINE StageVector norm_gradient(const typename Storage::Operand* diff_dst, const typename Storage::Value* value,
                                     const typename Storage::GeluDerivative* gelu_derivative, std::size_t at,
                                     StageVector a, StageVector b, StageVector c) {
  const StageFloats d;
  const StageVector activation = load_stage(d, value + at);
  StageVector sum = hn::MulAdd(activation, b, c);
  if constexpr (kDiffDst) sum = hn::MulAdd(load_stage(d, diff_dst + at), a, sum);
  return hn::Mul(sum, load_derivative(d, gelu_derivative + at, activation));
}

/// NormBackward; `kWords` in words of two rows too.
template <class Storage, bool kDiffDst, bool kWords>
void norm_backward_rows(NormBackward<Storage> arguments) {
  const StageFloats d;
  constexpr std::size_t kVectors = kRowVectors<2>;
  const RowCoefficients<kVectors> a(arguments.coefficients.a);
  const RowCoefficients<kVectors> b(arguments.coefficients.b);
  const RowCoefficients<kVectors> c(arguments.coefficients.c);
  StageVector sum[kVectors];
  // The gradient of a vector: stored and added up.
  const auto gradient = [&](std::size_t row, std::size_t i) HWY_ATTR {
    const std::size_t lane = i * hn::Lanes(d);
    const StageVector result =
        norm_gradient<Storage, kDiffDst>(arguments.diff_dst, arguments.value, arguments.gelu_derivative,
                                         row * kChannelBlock + lane, a.vectors[i], b.vectors[i], c.vectors[i]);
    store_stage(result, d, arguments.dst + row * arguments.stride + lane);
    sum[i] = hn::Add(sum[i], result);
    return result;
  };
  const auto prefetch = [&](std::size_t row) HWY_ATTR {
    if constexpr (kDiffDst) prefetch_ahead(arguments.diff_dst + row * kChannelBlock);
    prefetch_ahead(arguments.value + row * kChannelBlock);
    prefetch_ahead(arguments.gelu_derivative + row * kChannelBlock);
  };
  static_assert(kStageRowsInF32 % 2 == 0);
  for (std::size_t begin = 0; begin < arguments.rows; begin += kStageRowsInF32) {
    const std::size_t end = std::min(arguments.rows, begin + kStageRowsInF32);
    set_zero(sum);
    if constexpr (kWords) {
      for (std::size_t row = begin; row < end; row += 2) {
        prefetch(row);
        prefetch(row + 1);
        HWY_UNROLL(4)
        for (std::size_t i = 0; i < kVectors; ++i) {
          const UpperBf16 first = upper_bf16(gradient(row, i));
          const UpperBf16 second = row + 1 < end ? upper_bf16(gradient(row + 1, i)) : no_bf16();
          hn::StoreU(word_of(first, second), d, arguments.words + row / 2 * kChannelBlock + i * hn::Lanes(d));
        }
      }
    } else {
      for (std::size_t row = begin; row < end; ++row) {
        prefetch(row);
        HWY_UNROLL(4)
        for (std::size_t i = 0; i < kVectors; ++i) gradient(row, i);
      }
    }
    add_to_doubles(sum, arguments.sum);
  }
}

template <class Storage, bool kDiffDst>
void norm_backward_to(const NormBackward<Storage>& a) {
  if constexpr (Storage::kValuesPerWord == 2) {
    if (a.words != nullptr) return norm_backward_rows<Storage, kDiffDst, true>(a);
  }
  norm_backward_rows<Storage, kDiffDst, false>(a);
}

template <class Storage>
void norm_backward_any(const NormBackward<Storage>& a) {
  a.diff_dst != nullptr ? norm_backward_to<Storage, true>(a) : norm_backward_to<Storage, false>(a);
}

/// GradientSums.
template <class Storage, std::size_t kGroups, bool kResidual>
void gradient_sums_rows(GradientSums<Storage> a) {
  const StageFloats d;
  constexpr std::size_t kVectors = kRowVectors<kGroups>;
  const RowCoefficients<kVectors> mean(a.mean);
  for (std::size_t begin = 0; begin < a.rows; begin += kStageRowsInF32) {
    const std::size_t end = std::min(a.rows, begin + kStageRowsInF32);
    StageVector sum[kVectors];
    StageVector weighted[kVectors];
    set_zero(sum);
    set_zero(weighted);
    for (std::size_t row = begin; row < end; ++row) {
      if constexpr (kGroups == 2) prefetch_ahead(a.value + row * kChannelBlock);
      HWY_UNROLL(4)
      for (std::size_t i = 0; i < kVectors; ++i) {
        const std::size_t lane = i * hn::Lanes(d);
        const std::size_t at = row * kChannelBlock + lane;
        StageVector gradient = hn::LoadU(d, a.src + row * a.stride + lane);
        if constexpr (kResidual) gradient = hn::Add(gradient, load_stage(d, a.residual + at));
        store_stage(gradient, d, a.dst + at);
        sum[i] = hn::Add(sum[i], gradient);
        weighted[i] = hn::MulAdd(gradient, hn::Sub(load_stage(d, a.value + at), mean.vectors[i]), weighted[i]);
      }
    }
    add_to_doubles(sum, a.sums.gradient);
    add_to_doubles(weighted, a.sums.weighted);
  }
}

template <class Storage>
void gradient_sums_any(const GradientSums<Storage>& a) {
  if (a.residual != nullptr) {
    a.groups == 1 ? gradient_sums_rows<Storage, 1, true>(a) : gradient_sums_rows<Storage, 2, true>(a);
  } else {
    a.groups == 1 ? gradient_sums_rows<Storage, 1, false>(a) : gradient_sums_rows<Storage, 2, false>(a);
  }
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target

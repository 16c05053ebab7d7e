// What lies between the products of fused stages, against plain loops in double precision.
#include "kernels/fused/norm_stage.hpp"

#include "kernels/fused/stage_values.hpp"
#include "kernels/instruction_sets.hpp"

#include <gtest/gtest.h>

#include <array>

namespace convmixer::kernels {
namespace {

using namespace testing_support;

/// Around the 32 rows whose sums are taken in f32.
constexpr std::array<std::size_t, 6> kRows{1, 5, 31, 32, 33, 97};
/// Rows of row-major operands and results are some channels longer than a block.
constexpr std::size_t kStride = kChannelBlock + 16;
/// Sums that are added to hold this before.
constexpr double kBefore = 3.25;

class NormStage : public OnEveryInstructionSet {};
INSTANTIATE_TEST_SUITE_P(All, NormStage, every_instruction_set(), name_of_instruction_set);

/// Checks a tensor of rows `stride` apart of which `channels` are written and the rest is left alone.
template <typename T>
void expect_only_written(const Values<T>& values, std::size_t stride, std::size_t channels) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i % stride < channels) continue;
    ASSERT_TRUE(is_untouched(values[i])) << "row " << i / stride << ", channel " << i % stride;
  }
}

// ---- GELU ----

template <class Storage>
struct GeluRun {
  std::size_t rows;
  std::size_t groups;
  Values<float> src = random_values<float>(rows * kStride, 1, 1.5);
  Values<typename Storage::Value> value = untouched<typename Storage::Value>(rows * kChannelBlock);
  Values<typename Storage::GeluDerivative> gelu_derivative =
      untouched<typename Storage::GeluDerivative>(rows * kChannelBlock);
  Values<float> origin = untouched<float>(kChannelBlock);
  Values<double> sum = Values<double>(kChannelBlock, kBefore);
  Values<double> square = Values<double>(kChannelBlock, kBefore);

  void forward(std::size_t first_row, std::size_t end_row) {
    gelu_forward(GeluForward<Storage>{.src = src.data() + first_row * kStride,
                                      .stride = kStride,
                                      .rows = end_row - first_row,
                                      .groups = groups,
                                      .value = value.data() + first_row * kChannelBlock,
                                      .gelu_derivative = gelu_derivative.data() + first_row * kChannelBlock,
                                      .moments = {origin.data(), sum.data(), square.data(), first_row == 0}});
  }
  void infer() {
    gelu_forward(GeluForward<Storage>{.src = src.data(),
                                      .stride = kStride,
                                      .rows = rows,
                                      .groups = groups,
                                      .value = value.data(),
                                      .gelu_derivative = nullptr,
                                      .moments = {}});
  }
  [[nodiscard]] std::size_t channels() const { return 16 * groups; }
};

template <class Storage>
void expect_gelu(const GeluRun<Storage>& run, bool gelu_derivatives) {
  Errors values;
  Errors derivatives;
  for (std::size_t row = 0; row < run.rows; ++row) {
    for (std::size_t c = 0; c < run.channels(); ++c) {
      const double x = number(run.src[row * kStride + c]);
      const std::size_t at = row * kChannelBlock + c;
      const auto value = run.value[at];
      values.add(number(value), gelu(x), gelu_error<Storage>(x) + stored_error(gelu(x), value), at);
      if (!gelu_derivatives) continue;
      const auto gelu_derivative = run.gelu_derivative[at];
      derivatives.add(derivative_number(gelu_derivative, value), exact_gelu_derivative(x),
                      gelu_derivative_error<Storage>(x) + stored_error(exact_gelu_derivative(x), gelu_derivative), at);
    }
  }
  EXPECT_WITHIN_ROUNDING(values);
  EXPECT_WITHIN_ROUNDING(derivatives);
  expect_only_written(run.value, kChannelBlock, run.channels());
  expect_only_written(run.gelu_derivative, kChannelBlock, gelu_derivatives ? run.channels() : 0);
}

/// Sums of value - origin and its square; each value may be off as it is in memory.
template <class Storage>
void expect_moments(const GeluRun<Storage>& run) {
  Errors origins;
  Errors sums;
  Errors squares;
  for (std::size_t c = 0; c < run.channels(); ++c) {
    const double first = number(run.src[c]);
    origins.add(number(run.origin[c]), gelu(first),
                gelu_error<Storage>(first) + stored_error(gelu(first), run.value[c]), c);
    double sum = kBefore;
    double square = kBefore;
    double sum_error = 1e-12;
    double square_error = 1e-12;
    for (std::size_t row = 0; row < run.rows; ++row) {
      const double x = number(run.src[row * kStride + c]);
      const double centred = gelu(x) - number(run.origin[c]);
      const double error = gelu_error<Storage>(x) + stored_error(gelu(x), run.value[c]) + kF32 * std::abs(centred);
      sum += centred;
      square += centred * centred;
      sum_error += error + 32 * kF32 * std::abs(centred);
      square_error += error * (2.0 * std::abs(centred) + error) + 33 * kF32 * centred * centred;
    }
    sums.add(run.sum[c], sum, sum_error, c);
    squares.add(run.square[c], square, square_error, c);
  }
  EXPECT_WITHIN_ROUNDING(origins);
  EXPECT_WITHIN_ROUNDING(sums);
  EXPECT_WITHIN_ROUNDING(squares);
  for (std::size_t c = run.channels(); c < kChannelBlock; ++c) {
    EXPECT_TRUE(is_untouched(run.origin[c]));
    EXPECT_EQ(run.sum[c], kBefore);
    EXPECT_EQ(run.square[c], kBefore);
  }
}

template <class Storage>
void check_gelu() {
  for (const std::size_t groups : {std::size_t{1}, std::size_t{2}}) {
    for (const std::size_t rows : kRows) {
      SCOPED_TRACE(fmt::format("{} rows, {} groups", rows, groups));
      GeluRun<Storage> training{rows, groups};
      training.forward(0, rows);
      expect_gelu(training, true);
      expect_moments(training);
      GeluRun<Storage> inference{rows, groups};
      inference.infer();
      expect_gelu(inference, false);
    }
    GeluRun<Storage> in_two{97, groups};  // a second tile goes on with the first one's sums
    in_two.forward(0, 40);
    in_two.forward(40, 97);
    expect_gelu(in_two, true);
    expect_moments(in_two);
  }
}

TEST_P(NormStage, GeluAndItsSumsMatchErfInF32) { check_gelu<F32Storage>(); }
TEST_P(NormStage, GeluAndItsSumsMatchErfInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_gelu<Bf16Storage>();
}
TEST_P(NormStage, GeluAndItsSumsMatchErfBehindTheStemInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_gelu<Bf16StemStorage>();
}

/// From where GELU is all but 0 to where it is all but its argument, and through every piece of a table.
template <class Storage>
void check_gelu_everywhere() {
  GeluRun<Storage> run{4096, 2};
  Values<float> special{0.0F, -0.0F, 1e-30F, -1e-30F, 5.5F, -5.5F, 13.5F, -13.5F, 100.0F, -100.0F, 6e4F, -6e4F};
  for (std::size_t i = 0; i < run.src.size(); ++i) {
    run.src[i] = i < special.size() ? special[i] : -7.0F + 14.0F * static_cast<float>(i) / 196608.0F;
  }
  run.forward(0, run.rows);
  expect_gelu(run, true);
}

TEST_P(NormStage, GeluMatchesErfFromFarBelowZeroToFarAbove) {
  check_gelu_everywhere<F32Storage>();
  if (!can_run_bf16_stages()) return;
  check_gelu_everywhere<Bf16Storage>();
  check_gelu_everywhere<Bf16StemStorage>();
}

TEST_P(NormStage, GeluCutsActivationsOffWhereABinary16Ends) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  GeluRun<Bf16Storage> run{1, 1};
  run.src.assign(run.src.size(), 1e6F);
  run.forward(0, 1);
  for (std::size_t c = 0; c < 16; ++c) EXPECT_EQ(number(run.value[c]), 65504.0);
}

// ---- norm, forward ----

/// Row `row` of words of two rows.
double paired_number(const Values<float>& words, std::size_t row, std::size_t channel) {
  std::uint32_t pair = 0;
  std::memcpy(&pair, &words[row / 2 * kChannelBlock + channel], sizeof pair);
  return number(from_bf16(static_cast<std::uint16_t>(row % 2 == 0 ? pair & 0xffffU : pair >> 16)));
}

/// Words of pairs are as rows are, but for the rounding of ties.
template <typename Operand>
void expect_paired(const Values<float>& words, const Values<Operand>& rows, std::size_t count, std::size_t stride) {
  for (std::size_t row = 0; row < (count + 1) / 2 * 2; ++row) {
    for (std::size_t channel = 0; channel < kChannelBlock; ++channel) {
      const double expected = row < count ? number(rows[row * stride + channel]) : 0.0;
      ASSERT_NEAR(paired_number(words, row, channel), expected, 2.0 * kBf16 * std::abs(expected))
          << "row " << row << ", channel " << channel;
    }
  }
}

template <class Storage>
void check_norm_forward() {
  using Value = typename Storage::Value;
  for (const bool residual : {false, true}) {
    for (const std::size_t rows : kRows) {
      SCOPED_TRACE(fmt::format("{} rows{}", rows, residual ? ", residual" : ""));
      const auto value0 = random_values<Value>(rows * kChannelBlock, 1);
      const auto value1 = random_values<Value>(rows * kChannelBlock, 2);
      const auto scale0 = random_values<float>(kChannelBlock, 3);
      const auto scale1 = random_values<float>(kChannelBlock, 4);
      const auto shift = random_values<float>(kChannelBlock, 5);
      auto dst = untouched<typename Storage::Operand>(rows * kStride);
      norm_forward(NormForward<Storage>{.value0 = value0.data(),
                                        .scale0 = scale0.data(),
                                        .value1 = residual ? value1.data() : nullptr,
                                        .scale1 = residual ? scale1.data() : nullptr,
                                        .shift = shift.data(),
                                        .rows = rows,
                                        .dst = dst.data(),
                                        .stride = kStride});
      Errors errors;
      for (std::size_t row = 0; row < rows; ++row) {
        for (std::size_t c = 0; c < kChannelBlock; ++c) {
          const std::size_t at = row * kChannelBlock + c;
          const double first = number(scale0[c]) * number(value0[at]);
          const double second = residual ? number(scale1[c]) * number(value1[at]) : 0.0;
          const double expected = first + second + number(shift[c]);
          const double sizes = std::abs(first) + std::abs(second) + std::abs(number(shift[c]));
          const auto actual = dst[row * kStride + c];
          errors.add(number(actual), expected, 4 * kF32 * sizes + stored_error(expected, actual), at);
        }
      }
      EXPECT_WITHIN_ROUNDING(errors);
      expect_only_written(dst, kStride, kChannelBlock);
    }
  }
}

TEST_P(NormStage, NormForwardMatchesPlainLoopInF32) { check_norm_forward<F32Storage>(); }
TEST_P(NormStage, NormForwardMatchesPlainLoopInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_norm_forward<Bf16Storage>();
}

// ---- sums of residuals ----

template <class Storage>
void check_residual_sum(std::size_t rows, bool three) {
  using Value = typename Storage::Value;
  SCOPED_TRACE(fmt::format("{} rows of {} values", rows, three ? "three" : "two"));
  const auto value0 = random_values<Value>(rows * kChannelBlock, 1);
  const auto value1 = random_values<Value>(rows * kChannelBlock, 2);
  const auto value2 = random_values<Value>(rows * kChannelBlock, 3);
  const auto scale0 = random_values<float>(kChannelBlock, 4);
  const auto scale1 = random_values<float>(kChannelBlock, 5);
  const auto scale2 = random_values<float>(kChannelBlock, 6);
  const auto shift = random_values<float>(kChannelBlock, 7);
  auto in_place = value1;
  auto elsewhere = untouched<Value>(rows * kChannelBlock);
  for (auto* const dst : {&elsewhere, &in_place}) {
    residual_sum(ResidualSum<Storage>{.value0 = value0.data(),
                                      .scale0 = scale0.data(),
                                      .value1 = dst == &in_place ? in_place.data() : value1.data(),
                                      .scale1 = scale1.data(),
                                      .value2 = three ? value2.data() : nullptr,
                                      .scale2 = three ? scale2.data() : nullptr,
                                      .shift = shift.data(),
                                      .rows = rows,
                                      .dst = dst->data()});
    Errors errors;
    for (std::size_t at = 0; at < rows * kChannelBlock; ++at) {
      const std::size_t c = at % kChannelBlock;
      const double parts[4] = {number(scale0[c]) * number(value0[at]), number(scale1[c]) * number(value1[at]),
                               three ? number(scale2[c]) * number(value2[at]) : 0.0, number(shift[c])};
      const double expected = parts[0] + parts[1] + parts[2] + parts[3];
      const double sizes = std::abs(parts[0]) + std::abs(parts[1]) + std::abs(parts[2]) + std::abs(parts[3]);
      errors.add(number((*dst)[at]), expected, 5 * kF32 * sizes + stored_error(expected, (*dst)[at]), at);
    }
    EXPECT_WITHIN_ROUNDING(errors);
  }
}

template <class Storage>
void check_residual_sums() {
  for (const std::size_t rows : kRows) {
    check_residual_sum<Storage>(rows, false);
    check_residual_sum<Storage>(rows, true);
  }
}

TEST_P(NormStage, ResidualSumMatchesPlainLoopInF32) { check_residual_sums<F32Storage>(); }
TEST_P(NormStage, ResidualSumMatchesPlainLoopInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_residual_sums<Bf16Storage>();
}

template <class Storage>
void check_value_sums() {
  for (const std::size_t rows : kRows) {
    SCOPED_TRACE(fmt::format("{} rows", rows));
    const auto values = random_values<typename Storage::Value>(rows * kChannelBlock, 1);
    Values<double> sums(kChannelBlock, kBefore);  // which goes
    value_sums(values.data(), rows, sums.data());
    Errors errors;
    for (std::size_t c = 0; c < kChannelBlock; ++c) {
      double sum = 0.0;
      double sizes = 0.0;
      for (std::size_t row = 0; row < rows; ++row) {
        sum += number(values[row * kChannelBlock + c]);
        sizes += std::abs(number(values[row * kChannelBlock + c]));
      }
      errors.add(sums[c], sum, 32 * kF32 * sizes, c);
    }
    EXPECT_WITHIN_ROUNDING(errors);
  }
}

TEST_P(NormStage, ValueSumsMatchPlainLoopInF32) { check_value_sums<F32Storage>(); }
TEST_P(NormStage, ValueSumsMatchPlainLoopInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_value_sums<Bf16Storage>();
}

// ---- norm, backward ----

template <class Storage>
void check_norm_backward() {
  using Operand = typename Storage::Operand;
  for (const bool has_gradient : {false, true}) {
    for (const std::size_t rows : kRows) {
      SCOPED_TRACE(fmt::format("{} rows{}", rows, has_gradient ? "" : ", no gradient"));
      const auto diff_dst = random_values<Operand>(rows * kChannelBlock, 1);
      const Activations<Storage> kept(rows * kChannelBlock, 2);
      const auto a = random_values<float>(kChannelBlock, 3);
      const auto b = random_values<float>(kChannelBlock, 4);
      const auto c = random_values<float>(kChannelBlock, 5);
      auto dst = untouched<Operand>(rows * kStride);
      Values<double> sum(kChannelBlock, kBefore);
      norm_backward(NormBackward<Storage>{.diff_dst = has_gradient ? diff_dst.data() : nullptr,
                                          .value = kept.value.data(),
                                          .gelu_derivative = kept.gelu_derivative.data(),
                                          .coefficients = {a.data(), b.data(), c.data()},
                                          .rows = rows,
                                          .dst = dst.data(),
                                          .stride = kStride,
                                          .sum = sum.data()});
      Errors gradients;
      Errors sums;
      for (std::size_t channel = 0; channel < kChannelBlock; ++channel) {
        double expected_sum = kBefore;
        double sum_error = 1e-12;
        for (std::size_t row = 0; row < rows; ++row) {
          const std::size_t at = row * kChannelBlock + channel;
          const double first = has_gradient ? number(a[channel]) * number(diff_dst[at]) : 0.0;
          const double second = number(b[channel]) * number(kept.value[at]);
          const double third = number(c[channel]);
          const double gelu_derivative = derivative_number(kept.gelu_derivative[at], kept.value[at]);
          const double expected = (first + second + third) * gelu_derivative;
          // A derivative near 0 is 1/2 less what its code says, rounded as numbers near 1/2 are.
          const double sizes =
              (std::abs(first) + std::abs(second) + std::abs(third)) * std::max(std::abs(gelu_derivative), 0.5);
          const auto actual = dst[row * kStride + channel];
          const double error = 5 * kF32 * sizes + stored_error(expected, actual);
          gradients.add(number(actual), expected, error, at);
          expected_sum += expected;
          sum_error += error + 32 * kF32 * std::abs(expected);
        }
        sums.add(sum[channel], expected_sum, sum_error, channel);
      }
      EXPECT_WITHIN_ROUNDING(gradients);
      EXPECT_WITHIN_ROUNDING(sums);
      expect_only_written(dst, kStride, kChannelBlock);
    }
  }
}

TEST_P(NormStage, NormBackwardMatchesPlainLoopInF32) { check_norm_backward<F32Storage>(); }
TEST_P(NormStage, NormBackwardMatchesPlainLoopInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_norm_backward<Bf16Storage>();
}
TEST_P(NormStage, NormBackwardMatchesPlainLoopBehindTheStemInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_norm_backward<Bf16StemStorage>();
}

// ---- sums of gradients ----

enum class Residual { none, elsewhere, in_place };

template <class Storage>
void check_gradient_sums(std::size_t rows, std::size_t groups, Residual residual) {
  using Operand = typename Storage::Operand;
  SCOPED_TRACE(fmt::format("{} rows, {} groups, residual {}", rows, groups, static_cast<int>(residual)));
  const std::size_t channels = 16 * groups;
  const auto src = random_values<float>(rows * kStride, 1);
  const auto summand = random_values<Operand>(rows * kChannelBlock, 2);
  const auto value = random_values<typename Storage::Value>(rows * kChannelBlock, 3);
  const auto mean = random_values<float>(kChannelBlock, 4, 0.3);
  auto dst = residual == Residual::in_place ? summand : untouched<Operand>(rows * kChannelBlock);
  Values<double> first(kChannelBlock, kBefore);
  Values<double> second(kChannelBlock, kBefore);
  gradient_sums(GradientSums<Storage>{.src = src.data(),
                                      .stride = kStride,
                                      .rows = rows,
                                      .groups = groups,
                                      .residual = residual == Residual::none        ? nullptr
                                                  : residual == Residual::elsewhere ? summand.data()
                                                                                    : dst.data(),
                                      .value = value.data(),
                                      .mean = mean.data(),
                                      .dst = dst.data(),
                                      .sums = {first.data(), second.data()}});
  Errors gradients;
  Errors sums;
  for (std::size_t c = 0; c < channels; ++c) {
    double expected_first = kBefore;
    double expected_second = kBefore;
    double first_error = 1e-12;
    double second_error = 1e-12;
    for (std::size_t row = 0; row < rows; ++row) {
      const std::size_t at = row * kChannelBlock + c;
      const double other = residual == Residual::none ? 0.0 : number(summand[at]);
      const double gradient = number(src[row * kStride + c]) + other;
      const double centred = number(value[at]) - number(mean[c]);
      const double error = kF32 * std::abs(gradient) + stored_error(gradient, dst[at]);
      gradients.add(number(dst[at]), gradient, error + 1e-30, at);
      expected_first += gradient;
      expected_second += gradient * centred;
      first_error += error + 32 * kF32 * std::abs(gradient);
      second_error += error * std::abs(centred) + 34 * kF32 * std::abs(gradient * centred);
    }
    sums.add(first[c], expected_first, first_error, c);
    sums.add(second[c], expected_second, second_error, kChannelBlock + c);
  }
  EXPECT_WITHIN_ROUNDING(gradients);
  EXPECT_WITHIN_ROUNDING(sums);
  for (std::size_t c = channels; c < kChannelBlock; ++c) {
    EXPECT_EQ(first[c], kBefore);
    EXPECT_EQ(second[c], kBefore);
  }
  if (residual != Residual::in_place) return expect_only_written(dst, kChannelBlock, channels);
  for (std::size_t i = 0; i < dst.size(); ++i) {
    if (i % kChannelBlock < channels) continue;
    ASSERT_EQ(number(dst[i]), number(summand[i])) << i;
  }
}

template <class Storage>
void check_gradient_sums() {
  for (const std::size_t groups : {std::size_t{1}, std::size_t{2}}) {
    for (const Residual residual : {Residual::none, Residual::elsewhere, Residual::in_place}) {
      for (const std::size_t rows : kRows) check_gradient_sums<Storage>(rows, groups, residual);
    }
  }
}

TEST_P(NormStage, GradientSumsMatchPlainLoopInF32) { check_gradient_sums<F32Storage>(); }
TEST_P(NormStage, GradientSumsMatchPlainLoopInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_gradient_sums<Bf16Storage>();
}

}  // namespace
}  // namespace convmixer::kernels

// The depthwise convolution of fused stages against plain loops in double precision.
#include "kernels/fused/depthwise_stage.hpp"

#include "kernels/fused/depthwise_case.hpp"
#include "kernels/fused/stage_values.hpp"
#include "kernels/instruction_sets.hpp"

#include <gtest/gtest.h>

namespace convmixer::kernels {
namespace {

using namespace testing_support;

/// Sums that are added to hold this before.
constexpr double kBefore = -2.5;

class DepthwiseStage : public OnEveryInstructionSet {};
INSTANTIATE_TEST_SUITE_P(All, DepthwiseStage, every_instruction_set(), name_of_instruction_set);

// ---- forward ----

template <class Storage>
struct Forward {
  using Value = typename Storage::Value;
  using GeluDerivative = typename Storage::GeluDerivative;

  explicit Forward(const DepthwiseGeometry& of) : g(of) {}

  DepthwiseGeometry g;
  std::size_t pixels = g.height * g.width;
  Values<Value> src = random_values<Value>(pixels * kChannelBlock, 1);
  Values<float> scale = random_values<float>(kChannelBlock, 2);
  Values<float> shift = random_values<float>(kChannelBlock, 3);
  Values<float> bias = random_values<float>(kChannelBlock, 4);
  Values<float> filters = random_filters(g.kernel);
  Values<Value> value = untouched<Value>(pixels * kChannelBlock);
  Values<GeluDerivative> gelu_derivative = untouched<GeluDerivative>(pixels * kChannelBlock);
  Values<float> origin = untouched<float>(kChannelBlock);
  Values<double> sum = Values<double>(kChannelBlock, kBefore);
  Values<double> square = Values<double>(kChannelBlock, kBefore);

  void run(DepthwiseScratch& scratch, std::size_t channels = kChannelBlock) {
    const Values<float> taps = packed<Storage>(filters, g.kernel, false);
    const MomentSums moments{origin.data(), sum.data(), square.data(), true};
    depthwise_forward(DepthwiseForward<Storage>{.geometry = g,
                                                .src = src.data(),
                                                .norm = {scale.data(), shift.data()},
                                                .filters = taps.data(),
                                                .bias = bias.data(),
                                                .value = value.data(),
                                                .gelu_derivative = gelu_derivative.data(),
                                                .moments = moments,
                                                .channels = channels},
                      scratch);
  }

  /// What comes before the GELU at (y, x): sums of kernel^2 products and the bias in f32.
  [[nodiscard]] Approximate before_gelu(std::size_t c, std::size_t y, std::size_t x) const {
    double result = number(bias[c]);
    double sizes = std::abs(result);
    double products = 0.0;
    for_taps(g, y, x, [&](std::size_t tap, std::size_t pixel) {
      const double tap_value = number(filters[c * g.kernel * g.kernel + tap]);
      const double normalised = number(scale[c]) * number(src[pixel * kChannelBlock + c]);
      result += tap_value * (normalised + number(shift[c]));
      products += std::abs(tap_value * (normalised + number(shift[c])));
      sizes += std::abs(tap_value) * (std::abs(normalised) + std::abs(number(shift[c])));
    });
    return {result, static_cast<double>(g.kernel * g.kernel + 3) * kF32 * sizes + kFactorsRounded<Storage> * products};
  }
};

template <class Storage>
void expect_forward(const Forward<Storage>& run) {
  Errors values;
  Errors gelu_derivatives;
  Errors sums;
  for (std::size_t c = 0; c < kChannelBlock; ++c) {
    Approximate sum{kBefore, 1e-12};
    Approximate square{kBefore, 1e-12};
    for (std::size_t y = 0; y < run.g.height; ++y) {
      for (std::size_t x = 0; x < run.g.width; ++x) {
        const std::size_t at = (y * run.g.width + x) * kChannelBlock + c;
        const Approximate u = run.before_gelu(c, y, x);
        const double value = gelu(u.value);
        const double error =
            kSteepestGelu * u.error + gelu_error<Storage>(u.value) + stored_error(value, run.value[at]);
        values.add(number(run.value[at]), value, error, at);
        gelu_derivatives.add(derivative_number(run.gelu_derivative[at], run.value[at]), exact_gelu_derivative(u.value),
                             kSteepestGeluDerivative * u.error + gelu_derivative_error<Storage>(u.value) +
                                 stored_error(exact_gelu_derivative(u.value), run.gelu_derivative[at]),
                             at);
        const double centred = value - number(run.origin[c]);
        sum.add({centred, error + 33 * kF32 * std::abs(centred)});
        square.add({centred * centred, error * (2.0 * std::abs(centred) + error) + 34 * kF32 * centred * centred});
      }
    }
    sums.add(run.sum[c], sum.value, sum.error, c);
    sums.add(run.square[c], square.value, square.error, kChannelBlock + c);
  }
  EXPECT_WITHIN_ROUNDING(values);
  EXPECT_WITHIN_ROUNDING(gelu_derivatives);
  EXPECT_WITHIN_ROUNDING(sums);
}

template <class Storage>
void check_forward() {
  for (const DepthwiseGeometry& g : geometries()) {
    SCOPED_TRACE(name_of(g));
    Scratch memory(g);
    Forward<Storage> forward(g);
    forward.run(memory.scratch());
    expect_forward(forward);
  }
}

TEST_P(DepthwiseStage, ForwardMatchesPlainLoopInF32) { check_forward<F32Storage>(); }
TEST_P(DepthwiseStage, ForwardMatchesPlainLoopInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_forward<Bf16Storage>();
}

// ---- inference ----

template <class Storage>
void check_inference() {
  using Operand = typename Storage::Operand;
  constexpr std::size_t kStride = kChannelBlock + 16;
  for (const DepthwiseGeometry& g : geometries()) {
    SCOPED_TRACE(name_of(g));
    Scratch memory(g);
    const Forward<Storage> with(g);
    const auto branch_scale = random_values<float>(kChannelBlock, 21);
    const auto out_shift = random_values<float>(kChannelBlock, 22);
    const Values<float> taps = packed<Storage>(with.filters, g.kernel, false);
    auto dst = untouched<Operand>(with.pixels * kStride);
    const auto infer = [&](const auto& src, Values<Operand>& to, typename Storage::Value* kept) {
      depthwise_inference(DepthwiseInference<Storage>{.geometry = g,
                                                      .src = src.data(),
                                                      .norm = {with.scale.data(), with.shift.data()},
                                                      .filters = taps.data(),
                                                      .bias = with.bias.data(),
                                                      .branch_scale = branch_scale.data(),
                                                      .out_shift = out_shift.data(),
                                                      .dst = to.data(),
                                                      .stride = kStride,
                                                      .kept = kept},
                          memory.scratch());
    };
    infer(with.src, dst, nullptr);
    auto kept = with.src;  // in its place
    auto dst_beside = untouched<Operand>(with.pixels * kStride);
    infer(kept, dst_beside, kept.data());
    Errors errors;
    for (std::size_t c = 0; c < kChannelBlock; ++c) {
      for (std::size_t pixel = 0; pixel < with.pixels; ++pixel) {
        const Approximate u = with.before_gelu(c, pixel / g.width, pixel % g.width);
        const double branch = number(branch_scale[c]) * gelu(u.value);
        const double trunk = number(with.scale[c]) * number(with.src[pixel * kChannelBlock + c]);
        const double expected = branch + trunk + number(out_shift[c]);
        const double sizes = std::abs(branch) + std::abs(trunk) + std::abs(number(out_shift[c]));
        const std::size_t at = pixel * kChannelBlock + c;
        const double error =
            std::abs(number(branch_scale[c])) * (kSteepestGelu * u.error + gelu_error<Storage>(u.value)) +
            4 * kF32 * sizes;
        const Operand actual = dst[pixel * kStride + c];
        errors.add(number(actual), expected, error + stored_error(expected, actual), at);
        errors.add(number(kept[at]), expected, error + stored_error(expected, kept[at]), at);
        ASSERT_EQ(number(dst_beside[pixel * kStride + c]), number(actual));
      }
    }
    EXPECT_WITHIN_ROUNDING(errors);
    for (std::size_t i = 0; i < dst.size(); ++i) {
      ASSERT_TRUE(i % kStride < kChannelBlock || is_untouched(dst[i])) << i;
    }
  }
}

TEST_P(DepthwiseStage, InferenceMatchesPlainLoopInF32) { check_inference<F32Storage>(); }
TEST_P(DepthwiseStage, InferenceMatchesPlainLoopInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_inference<Bf16Storage>();
}

// ---- backward ----

template <class Storage>
struct Backward {
  using Operand = typename Storage::Operand;
  using Value = typename Storage::Value;

  explicit Backward(const DepthwiseGeometry& of) : g(of) {}

  DepthwiseGeometry g;
  std::size_t pixels = g.height * g.width;
  std::size_t taps = g.kernel * g.kernel;
  Values<Operand> given = random_values<Operand>(pixels * kChannelBlock, 1);  // the gradient that comes in
  Values<Operand> gradient = given;                                           // and what becomes of it
  Activations<Storage> kept{pixels * kChannelBlock, 2};
  Values<float> a = random_values<float>(kChannelBlock, 3);
  Values<float> b = random_values<float>(kChannelBlock, 4);
  Values<float> c = random_values<float>(kChannelBlock, 5);
  Values<float> filters = random_filters(g.kernel);
  Values<Value> src = random_values<Value>(pixels * kChannelBlock, 6);
  Values<float> src_scale = random_values<float>(kChannelBlock, 7);
  Values<float> src_shift = random_values<float>(kChannelBlock, 8);
  Values<Value> norm_value = random_values<Value>(pixels * kChannelBlock, 10);
  Values<float> norm_mean = random_values<float>(kChannelBlock, 9, 0.3);
  Values<double> sums = Values<double>(depthwise_sums_size(g.kernel), kBefore);
  Values<double> first = Values<double>(kChannelBlock, kBefore);
  Values<double> second = Values<double>(kChannelBlock, kBefore);

  void run(DepthwiseScratch& scratch, std::size_t channels = kChannelBlock) {
    const Values<float> flipped = packed<Storage>(filters, g.kernel, true);
    depthwise_backward(DepthwiseBackward<Storage>{.geometry = g,
                                                  .gradient = gradient.data(),
                                                  .value = kept.value.data(),
                                                  .gelu_derivative = kept.gelu_derivative.data(),
                                                  .coefficients = {a.data(), b.data(), c.data()},
                                                  .filters = flipped.data(),
                                                  .src = src.data(),
                                                  .src_norm = {src_scale.data(), src_shift.data()},
                                                  .filter_sums = sums.data(),
                                                  .norm_value = norm_value.data(),
                                                  .norm_mean = norm_mean.data(),
                                                  .norm_sums = {first.data(), second.data()},
                                                  .channels = channels},
                       scratch);
  }

  /// The gradient before the GELU, of a channel's pixels.
  [[nodiscard]] std::vector<Approximate> before_gelu(std::size_t channel) const {
    std::vector<Approximate> all;
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
      const std::size_t at = pixel * kChannelBlock + channel;
      const double parts[3] = {number(a[channel]) * number(given[at]), number(b[channel]) * number(kept.value[at]),
                               number(c[channel])};
      const double gelu_derivative = derivative_number(kept.gelu_derivative[at], kept.value[at]);
      const double sizes = std::abs(parts[0]) + std::abs(parts[1]) + std::abs(parts[2]);
      all.push_back({(parts[0] + parts[1] + parts[2]) * gelu_derivative,
                     5 * kF32 * sizes * std::max(std::abs(gelu_derivative), 0.5)});
    }
    return all;
  }

  /// The convolution's input.
  [[nodiscard]] Approximate input(std::size_t channel, std::size_t pixel) const {
    const double product = number(src_scale[channel]) * number(src[pixel * kChannelBlock + channel]);
    const double shift = number(src_shift[channel]);
    return {product + shift, 2 * kF32 * (std::abs(product) + std::abs(shift))};
  }
};

/// What depthwise_backward() does to one channel, by plain loops.
struct ExpectedBackward {
  std::vector<Approximate> diff_filters;
  Approximate diff_bias{kBefore, 1e-12};
  std::vector<Approximate> gradient;  // without the residual

  template <class Storage>
  ExpectedBackward(const Backward<Storage>& run, std::size_t channel)
      : diff_filters(run.taps, Approximate{kBefore, 1e-12}), gradient(run.pixels) {
    const std::vector<Approximate> before_gelu = run.before_gelu(channel);
    // All sums of f32 numbers may be taken in f32.
    const double sum_error = static_cast<double>(run.pixels + 2) * kF32;
    const double tap_error = static_cast<double>(run.taps + 2) * kF32;
    for (std::size_t y = 0; y < run.g.height; ++y) {
      for (std::size_t x = 0; x < run.g.width; ++x) {
        const Approximate& d = before_gelu[y * run.g.width + x];
        diff_bias.add({d.value, d.error + sum_error * std::abs(d.value)});
        for_taps(run.g, y, x, [&](std::size_t tap, std::size_t pixel) {
          const Approximate in = run.input(channel, pixel);
          const double product = d.value * in.value;
          diff_filters[tap].add({product, d.error * std::abs(in.value) + in.error * std::abs(d.value) +
                                              (sum_error + kFactorsRounded<Storage>)*std::abs(product)});
          const double filter = number(run.filters[channel * run.taps + tap]);
          gradient[pixel].add(
              {filter * d.value,
               std::abs(filter) * d.error + (tap_error + kFactorsRounded<Storage>)*std::abs(filter * d.value)});
        });
      }
    }
  }
};

template <class Storage>
void expect_backward(const Backward<Storage>& run) {
  Errors filters;
  Errors biases;
  Errors gradients;
  Errors norms;
  for (std::size_t c = 0; c < kChannelBlock; ++c) {
    const ExpectedBackward expected(run, c);
    const double* const sums = run.sums.data() + c / 16 * (run.taps + 1) * 16 + c % 16;
    for (std::size_t tap = 0; tap < run.taps; ++tap) {
      filters.add(sums[tap * 16], expected.diff_filters[tap].value, expected.diff_filters[tap].error,
                  c * run.taps + tap);
    }
    biases.add(sums[run.taps * 16], expected.diff_bias.value, expected.diff_bias.error, c);
    Approximate first{kBefore, 1e-12};
    Approximate second{kBefore, 1e-12};
    for (std::size_t pixel = 0; pixel < run.pixels; ++pixel) {
      const std::size_t at = pixel * kChannelBlock + c;
      Approximate gradient = expected.gradient[pixel];
      gradient.add({number(run.given[at]), kF32 * std::abs(number(run.given[at]))});
      gradient.error += kF32 * std::abs(gradient.value) + stored_error(gradient.value, run.gradient[at]) + 1e-30;
      gradients.add(number(run.gradient[at]), gradient.value, gradient.error, at);
      const double centred = number(run.norm_value[at]) - number(run.norm_mean[c]);
      first.add({gradient.value, gradient.error + 32 * kF32 * std::abs(gradient.value)});
      second.add({gradient.value * centred,
                  gradient.error * std::abs(centred) + 34 * kF32 * std::abs(gradient.value * centred)});
    }
    norms.add(run.first[c], first.value, first.error, c);
    norms.add(run.second[c], second.value, second.error, kChannelBlock + c);
  }
  EXPECT_WITHIN_ROUNDING(filters);
  EXPECT_WITHIN_ROUNDING(biases);
  EXPECT_WITHIN_ROUNDING(gradients);
  EXPECT_WITHIN_ROUNDING(norms);
}

template <class Storage>
void check_backward() {
  for (const DepthwiseGeometry& g : geometries()) {
    SCOPED_TRACE(name_of(g));
    Scratch memory(g);
    Backward<Storage> run(g);
    run.run(memory.scratch());
    expect_backward(run);
  }
}

TEST_P(DepthwiseStage, BackwardMatchesPlainLoopsInF32) { check_backward<F32Storage>(); }
TEST_P(DepthwiseStage, BackwardMatchesPlainLoopsInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_backward<Bf16Storage>();
}

// ---- channel blocks that aren't full ----

/// The first group's values are those of a full channel block, the second's are `second`.
template <class Some, class Full>
void expect_first_group(const Some& some, const Full& full, double second, std::size_t stride = kChannelBlock) {
  const auto value = [](const auto& of) {
    if constexpr (std::is_same_v<std::decay_t<decltype(of)>, double>) {
      return of;
    } else {
      return number(of);
    }
  };
  for (std::size_t i = 0; i < full.size(); ++i) {
    if (i % stride >= kChannelBlock) continue;
    ASSERT_EQ(value(some[i]), i % stride < kChannelBlock / 2 ? value(full[i]) : second) << i;
  }
}

template <class Storage>
void check_forward_without_second_group(const DepthwiseGeometry& g, std::size_t channels) {
  Scratch memory(g);
  Forward<Storage> full(g);
  Forward<Storage> some(g);
  full.run(memory.scratch());
  some.run(memory.scratch(), channels);
  expect_first_group(some.value, full.value, 0.0);
  expect_first_group(some.origin, full.origin, 0.0);
  expect_first_group(some.sum, full.sum, kBefore);
  expect_first_group(some.square, full.square, kBefore);
  for (std::size_t i = 0; i < full.value.size(); ++i) {
    const bool is_first = i % kChannelBlock < kChannelBlock / 2;
    ASSERT_EQ(derivative_number(some.gelu_derivative[i], some.value[i]),
              derivative_number(is_first ? full.gelu_derivative[i] : typename Storage::GeluDerivative{},
                                is_first ? full.value[i] : typename Storage::Value{}))
        << i;
  }
}

template <class Storage>
void check_inference_without_second_group(const DepthwiseGeometry& g, std::size_t channels) {
  using Operand = typename Storage::Operand;
  constexpr std::size_t kStride = kChannelBlock + 16;
  Scratch memory(g);
  const Forward<Storage> with(g);
  const Values<float> taps = packed<Storage>(with.filters, g.kernel, false);
  const auto infer = [&](std::size_t of, Values<Operand>& dst, Values<typename Storage::Value>& kept) {
    depthwise_inference(DepthwiseInference<Storage>{.geometry = g,
                                                    .src = with.src.data(),
                                                    .norm = {with.scale.data(), with.shift.data()},
                                                    .filters = taps.data(),
                                                    .bias = with.bias.data(),
                                                    .branch_scale = with.scale.data(),
                                                    .out_shift = with.shift.data(),
                                                    .dst = dst.data(),
                                                    .stride = kStride,
                                                    .kept = kept.data(),
                                                    .channels = of},
                        memory.scratch());
  };
  auto full = untouched<Operand>(with.pixels * kStride);
  auto some = full;
  auto full_kept = untouched<typename Storage::Value>(with.pixels * kChannelBlock);
  auto some_kept = full_kept;
  infer(kChannelBlock, full, full_kept);
  infer(channels, some, some_kept);
  expect_first_group(some, full, 0.0, kStride);
  expect_first_group(some_kept, full_kept, 0.0);
  for (std::size_t i = 0; i < some.size(); ++i) {
    ASSERT_TRUE(i % kStride < kChannelBlock || is_untouched(some[i])) << i;
  }
}

template <class Storage>
void check_backward_without_second_group(const DepthwiseGeometry& g, std::size_t channels) {
  Scratch memory(g);
  Backward<Storage> full(g);
  Backward<Storage> some(g);
  full.run(memory.scratch());
  some.run(memory.scratch(), channels);
  expect_first_group(some.gradient, full.gradient, 0.0);
  expect_first_group(some.first, full.first, kBefore);
  expect_first_group(some.second, full.second, kBefore);
  for (std::size_t i = 0; i < full.sums.size(); ++i) {
    ASSERT_EQ(some.sums[i], i < full.sums.size() / 2 ? full.sums[i] : kBefore) << i;
  }
}

template <class Storage>
void check_without_second_group() {
  for (const DepthwiseGeometry& g : {DepthwiseGeometry{9, 11, 5, 2}, DepthwiseGeometry{4, 4, 4, 1}}) {
    for (const std::size_t channels : std::initializer_list<std::size_t>{1, 16}) {
      SCOPED_TRACE(fmt::format("{}, {} channels", name_of(g), channels));
      check_forward_without_second_group<Storage>(g, channels);
      check_inference_without_second_group<Storage>(g, channels);
      check_backward_without_second_group<Storage>(g, channels);
    }
  }
}
TEST_P(DepthwiseStage, WritesZerosForAGroupThatOnlyPadsInF32) { check_without_second_group<F32Storage>(); }
TEST_P(DepthwiseStage, WritesZerosForAGroupThatOnlyPadsInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_without_second_group<Bf16Storage>();
}

TEST_P(DepthwiseStage, FindsItsBordersEmptyWhateverRanBefore) {
  const DepthwiseGeometry largest{16, 16, 9, 4};
  const DepthwiseGeometry even{9, 11, 4, 1};  // forward and backward have different borders
  const DepthwiseGeometry odd{9, 11, 5, 2};
  Scratch memory(largest);
  for (const DepthwiseGeometry& g : {largest, even, odd, even, even}) {
    SCOPED_TRACE(name_of(g));
    Forward<F32Storage> forward(g);
    forward.run(memory.scratch());
    expect_forward(forward);
    for (int turn = 0; turn < 2; ++turn) {
      Backward<F32Storage> backward(g);
      backward.run(memory.scratch());
      expect_backward(backward);
    }
  }
}

}  // namespace
}  // namespace convmixer::kernels

// The kernels of tokens, and those that take any values, against plain loops in double precision.
#include "convmixer/core/precision.hpp"
#include "convmixer/core/thread_pool.hpp"
#include "kernels/instruction_sets.hpp"
#include "kernels/plain/attention.hpp"
#include "kernels/plain/dropout.hpp"
#include "kernels/plain/gelu.hpp"
#include "kernels/plain/image_tensor.hpp"
#include "kernels/plain/layer_norm.hpp"
#include "kernels/plain/token_rows.hpp"
#include "kernels/plain/transpose.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace convmixer::kernels {
namespace {

using namespace testing_support;

constexpr ElementType kTypes[] = {ElementType::f32, ElementType::bf16};

Runtime& runtime() {
  static ThreadPool pool(2);
  static Runtime runtime(pool);
  return runtime;
}

/// Values of either type.
class Values {
 public:
  Values(std::size_t count, ElementType type) : type_(type), floats_(count), halves_(count) {}
  Values(const std::vector<float>& values, ElementType type) : Values(values.size(), type) {
    floats_ = values;
    std::ranges::transform(values, halves_.begin(), to_bf16);
  }

  [[nodiscard]] std::size_t size() const { return floats_.size(); }
  [[nodiscard]] double operator[](std::size_t i) const {
    return static_cast<double>(type_ == ElementType::f32 ? floats_[i] : from_bf16(halves_[i]));
  }
  [[nodiscard]] void* data() { return type_ == ElementType::f32 ? static_cast<void*>(floats_.data()) : halves_.data(); }
  [[nodiscard]] ReadValues read() { return {data(), type_}; }
  [[nodiscard]] WrittenValues written() { return {data(), type_}; }
  /// What storing a value of this size takes off it at most, and `sums` in f32 before it.
  [[nodiscard]] double tolerance(double value, double sums) const {
    return sums + std::abs(value) * (type_ == ElementType::f32 ? 0x1p-23 : 0x1p-8);
  }

 private:
  ElementType type_;
  std::vector<float> floats_;
  std::vector<std::uint16_t> halves_;
};

class TokenKernels : public OnEveryInstructionSet {};
INSTANTIATE_TEST_SUITE_P(All, TokenKernels, every_instruction_set(), name_of_instruction_set);

// ---- transpose ----

TEST_P(TokenKernels, TransposeMovesEachValue) {
  for (const ElementType from : kTypes) {
    for (const ElementType to : kTypes) {
      for (const std::size_t rows : {1U, 3U, 4U, 16U, 21U, 64U, 70U}) {
        for (const std::size_t columns : {1U, 5U, 8U, 16U, 35U}) {
          constexpr std::size_t kMatrices = 3;
          Values src(random_numbers(kMatrices * rows * columns, 1), from);
          Values dst(src.size(), to);
          transpose(runtime(), kMatrices, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns),
                    src.read(), dst.written());
          for (std::size_t i = 0; i < src.size(); ++i) {
            const std::size_t n = i / (rows * columns);
            const std::size_t r = i / columns % rows;
            const double value = src[i];
            const double expected =
                to == ElementType::f32 ? value : static_cast<double>(from_bf16(to_bf16(static_cast<float>(value))));
            ASSERT_EQ(dst[(n * columns + i % columns) * rows + r], expected) << rows << " x " << columns << ", " << i;
          }
        }
      }
    }
  }
}

// ---- attention ----

/// Plain loops over one problem.
struct AttentionCase {
  AttentionCase(const AttentionShape& of, ElementType type)
      : shape(of),
        tokens(static_cast<std::size_t>(of.tokens)),
        heads(static_cast<std::size_t>(of.heads)),
        features(static_cast<std::size_t>(of.features)),
        images(static_cast<std::size_t>(of.images)),
        qkv(random_numbers(images * tokens * 3 * heads * features, 1, -2.0F, 2.0F), type),
        diff_dst(random_numbers(images * tokens * heads * features, 2), type),
        dst(diff_dst.size(), type),
        diff_qkv(qkv.size(), type),
        log_sums(images * heads * tokens),
        working(attention_doubles(runtime(), shape)) {}

  [[nodiscard]] std::size_t operand(std::size_t n, std::size_t h, std::size_t t, std::size_t part) const {
    return (((n * tokens + t) * 3 + part) * heads + h) * features;
  }
  [[nodiscard]] std::size_t result(std::size_t n, std::size_t h, std::size_t t) const {
    return ((n * tokens + t) * heads + h) * features;
  }
  static double product(const Values& a, std::size_t at_a, const Values& b, std::size_t at_b, std::size_t count) {
    double sum = 0.0;
    for (std::size_t i = 0; i < count; ++i) sum += a[at_a + i] * b[at_b + i];
    return sum;
  }
  [[nodiscard]] double factor() const { return 1.0 / std::sqrt(static_cast<double>(features)); }

  /// The scores' exponentials of a row, and the logarithm of their sum at its end.
  [[nodiscard]] std::vector<double> shares(std::size_t n, std::size_t h, std::size_t row) const {
    std::vector<double> scores;
    for (std::size_t t = 0; t < tokens; ++t)
      scores.push_back(product(qkv, operand(n, h, row, 0), qkv, operand(n, h, t, 1), features) * factor());
    double sum = 0.0;
    for (const double score : scores) sum += std::exp(score);
    for (double& score : scores) score = std::exp(score) / sum;
    scores.push_back(std::log(sum));
    return scores;
  }

  void expect_forward() const {
    for (std::size_t n = 0; n < images; ++n) {
      for (std::size_t h = 0; h < heads; ++h) {
        for (std::size_t row = 0; row < tokens; ++row) {
          const std::vector<double> share = shares(n, h, row);
          ASSERT_NEAR(static_cast<double>(log_sums[(n * heads + h) * tokens + row]), share.back(), 4e-6);
          for (std::size_t f = 0; f < features; ++f) {
            double expected = 0.0;
            for (std::size_t t = 0; t < tokens; ++t) expected += share[t] * qkv[operand(n, h, t, 2) + f];
            ASSERT_NEAR(dst[result(n, h, row) + f], expected, dst.tolerance(expected, 4e-6))
                << "image " << n << ", head " << h << ", token " << row << ", feature " << f;
          }
        }
      }
    }
  }

  void expect_backward() const {
    std::vector<double> expected(qkv.size());
    for (std::size_t n = 0; n < images; ++n) {
      for (std::size_t h = 0; h < heads; ++h) {
        for (std::size_t row = 0; row < tokens; ++row) add_row(n, h, row, expected);
      }
    }
    for (std::size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(diff_qkv[i], expected[i], diff_qkv.tolerance(expected[i], 2e-5)) << i;
  }

  /// A row's part of the gradient.
  void add_row(std::size_t n, std::size_t h, std::size_t row, std::vector<double>& gradient) const {
    const std::vector<double> share = shares(n, h, row);
    std::vector<double> diff_share;
    double mean = 0.0;
    for (std::size_t t = 0; t < tokens; ++t) {
      diff_share.push_back(product(diff_dst, result(n, h, row), qkv, operand(n, h, t, 2), features));
      mean += share[t] * diff_share[t];
    }
    for (std::size_t t = 0; t < tokens; ++t) {
      const double diff_score = share[t] * (diff_share[t] - mean) * factor();
      for (std::size_t f = 0; f < features; ++f) {
        gradient[operand(n, h, row, 0) + f] += diff_score * qkv[operand(n, h, t, 1) + f];
        gradient[operand(n, h, t, 1) + f] += diff_score * qkv[operand(n, h, row, 0) + f];
        gradient[operand(n, h, t, 2) + f] += share[t] * diff_dst[result(n, h, row) + f];
      }
    }
  }

  AttentionShape shape;
  std::size_t tokens;
  std::size_t heads;
  std::size_t features;
  std::size_t images;
  Values qkv;
  Values diff_dst;
  Values dst;
  Values diff_qkv;
  std::vector<float> log_sums;
  std::vector<double> working;
};

// Fewer tokens than a vector has lanes, and more than the rows that are taken at a time.
constexpr AttentionShape kAttention[] = {{2, 1, 1, 1}, {2, 3, 2, 5}, {1, 16, 2, 16}, {2, 17, 3, 24}, {1, 130, 1, 33}};

TEST_P(TokenKernels, AttentionMatchesPlainLoops) {
  for (const AttentionShape& shape : kAttention) {
    for (const ElementType type : kTypes) {
      AttentionCase attends(shape, type);
      attention(runtime(), shape, attends.qkv.read(), attends.dst.written(), attends.log_sums.data(),
                attends.working.data());
      attends.expect_forward();
      attention_gradient(runtime(), shape, attends.qkv.read(), attends.diff_dst.read(), attends.log_sums.data(),
                         attends.diff_qkv.written(), attends.working.data());
      attends.expect_backward();
    }
  }
}

TEST_P(TokenKernels, AttentionSubtractsTheLargestScoreWhereverItIs) {
  // exp(100) is no f32: a row's largest score that the kernel missed would leave something else.
  constexpr float kRoot = 10.0F;
  for (const std::int64_t tokens : {2, 7, 8, 9, 19}) {
    for (std::int64_t largest = 0; largest < tokens; ++largest) {
      std::vector<float> qkv(static_cast<std::size_t>(tokens * 3));
      for (std::int64_t t = 0; t < tokens; ++t) {
        qkv[static_cast<std::size_t>(t * 3)] = kRoot;
        qkv[static_cast<std::size_t>(t * 3 + 1)] = t == largest ? kRoot : 0.0F;
        qkv[static_cast<std::size_t>(t * 3 + 2)] = static_cast<float>(t);
      }
      AttentionCase attends({1, tokens, 1, 1}, ElementType::f32);
      attention(runtime(), attends.shape, {qkv.data(), ElementType::f32}, attends.dst.written(),
                attends.log_sums.data(), attends.working.data());
      for (std::size_t t = 0; t < attends.tokens; ++t) {
        ASSERT_NEAR(attends.dst[t], static_cast<double>(largest), 1e-5) << tokens << " tokens, largest " << largest;
        ASSERT_NEAR(attends.log_sums[t], kRoot * kRoot, 1e-5F) << tokens << " tokens, largest " << largest;
      }
    }
  }
}

// ---- layer norm ----

void check_layer_norm(std::size_t rows, std::size_t features, ElementType type, bool adds) {
  const auto shape = Shape{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(features)};
  const Layout layout(shape, ElementType::f32, Format::plain);
  constexpr float kEpsilon = 1e-6F;
  const std::vector<float> src = random_numbers(rows * features, 1, 2.0F, 4.0F);
  const std::vector<float> scale = random_numbers(features, 2, 0.5F, 1.5F);
  const std::vector<float> shift = random_numbers(features, 3);
  const std::vector<float> addend = random_numbers(rows * features, 4);
  Values diff_dst(random_numbers(rows * features, 5), type);
  Values dst(src.size(), type);
  std::vector<float> mean(rows);
  std::vector<float> inverse(rows);
  layer_norm(runtime(), layout, type, kEpsilon,
             {src.data(), dst.data(), mean.data(), inverse.data(), scale.data(), shift.data()});
  std::vector<float> diff_src(src.size());
  std::vector<float> diff_scale(features);
  std::vector<float> diff_shift(features);
  std::vector<double> working(layer_norm_backward_doubles(layout));
  layer_norm_backward(runtime(), layout, type, adds,
                      {src.data(), mean.data(), inverse.data(), scale.data(), diff_dst.data(), addend.data(),
                       diff_src.data(), diff_scale.data(), diff_shift.data(), working.data()});

  std::vector<double> by_scale(features);
  std::vector<double> by_shift(features);
  const auto count = static_cast<double>(features);
  for (std::size_t row = 0; row < rows; ++row) {
    const auto x = [&](std::size_t f) { return static_cast<double>(src[row * features + f]); };
    const auto g = [&](std::size_t f) { return static_cast<double>(scale[f]) * diff_dst[row * features + f]; };
    double average = 0.0;
    double variance = 0.0;
    for (std::size_t f = 0; f < features; ++f) average += x(f) / count;
    for (std::size_t f = 0; f < features; ++f) variance += (x(f) - average) * (x(f) - average) / count;
    const double factor = 1.0 / std::sqrt(variance + static_cast<double>(kEpsilon));
    const auto xhat = [&](std::size_t f) { return (x(f) - average) * factor; };
    double mean_g = 0.0;
    double mean_product = 0.0;
    for (std::size_t f = 0; f < features; ++f) mean_g += g(f) / count;
    for (std::size_t f = 0; f < features; ++f) mean_product += g(f) * xhat(f) / count;
    for (std::size_t f = 0; f < features; ++f) {
      const std::size_t at = row * features + f;
      by_scale[f] += diff_dst[at] * xhat(f);
      by_shift[f] += diff_dst[at];
      const double y = xhat(f) * static_cast<double>(scale[f]) + static_cast<double>(shift[f]);
      // The input is about 3, and its last bits count `factor` times.
      ASSERT_NEAR(dst[at], y, dst.tolerance(y, 1e-6 * (1.0 + factor))) << row << ", " << f << " of " << features;
      const double dx =
          factor * (g(f) - mean_g - xhat(f) * mean_product) + (adds ? static_cast<double>(addend[at]) : 0.0);
      ASSERT_NEAR(static_cast<double>(diff_src[at]), dx, 4e-6 * (1.0 + factor)) << row << ", " << f;
    }
  }
  for (std::size_t f = 0; f < features; ++f) {
    ASSERT_NEAR(static_cast<double>(diff_scale[f]), by_scale[f], 2e-6 * static_cast<double>(rows)) << f;
    ASSERT_NEAR(static_cast<double>(diff_shift[f]), by_shift[f], 2e-7 * static_cast<double>(rows)) << f;
  }
}

TEST_P(TokenKernels, LayerNormOfTokensMatchesPlainLoops) {
  for (const std::size_t rows : {1U, 17U, 100U}) {
    for (const std::size_t features : {2U, 15U, 16U, 24U, 256U, 300U}) {
      for (const ElementType type : kTypes) {
        for (const bool adds : {false, true}) check_layer_norm(rows, features, type, adds);
      }
    }
  }
}

/// Images of side x side pixels.
void check_layer_norm_of_images(Format format, std::int64_t channels, std::int64_t side) {
  const Shape shape{2, channels, side, side};
  ImageTensor src(shape, ElementType::f32, format);
  ImageTensor diff_dst(shape, ElementType::f32, format);
  ImageTensor dst(shape, ElementType::f32, format);
  ImageTensor diff_src(shape, ElementType::f32, format);
  src.fill(1, 3.0F);
  diff_dst.fill(2);
  dst.spoil();
  diff_src.spoil();
  ASSERT_TRUE(has_rows(src.layout()));
  const auto count = static_cast<std::size_t>(channels);
  const auto pixels = static_cast<std::size_t>(side * side);
  const std::size_t rows = 2 * pixels;
  const std::vector<float> scale = random_numbers(count, 3, 0.5F, 1.5F);
  const std::vector<float> shift = random_numbers(count, 4);
  // The same rows as tokens, which the case before holds against plain loops.
  std::vector<float> x(rows * count);
  std::vector<float> dy(rows * count);
  const auto place = [&](std::int64_t n, std::int64_t c, std::size_t p) {
    return (static_cast<std::size_t>(n) * pixels + p) * count + static_cast<std::size_t>(c);
  };
  src.for_each([&](auto n, auto c, auto p) { x[place(n, c, p)] = static_cast<float>(src.at(n, c, p)); });
  src.for_each([&](auto n, auto c, auto p) { dy[place(n, c, p)] = static_cast<float>(diff_dst.at(n, c, p)); });
  std::vector<float> y(x.size());
  std::vector<float> dx(x.size());
  const auto norm = [&](const Layout& layout, const float* from, float* to, const float* gradient, float* result) {
    std::vector<float> mean(rows);
    std::vector<float> inverse(rows);
    layer_norm(runtime(), layout, ElementType::f32, 1e-6F,
               {from, to, mean.data(), inverse.data(), scale.data(), shift.data()});
    std::vector<float> sums(2 * count);
    std::vector<double> working(layer_norm_backward_doubles(layout));
    layer_norm_backward(runtime(), layout, ElementType::f32, false,
                        {from, mean.data(), inverse.data(), scale.data(), gradient, nullptr, result, sums.data(),
                         sums.data() + count, working.data()});
    return sums;
  };
  const auto sums = norm(src.layout(), src.floats(), dst.floats(), diff_dst.floats(), diff_src.floats());
  const Layout tokens(Shape{static_cast<std::int64_t>(rows), channels}, ElementType::f32, Format::plain);
  EXPECT_EQ(norm(tokens, x.data(), y.data(), dy.data(), dx.data()), sums) << src.describe();
  src.for_each([&](auto n, auto c, auto p) {
    ASSERT_EQ(dst.at(n, c, p), static_cast<double>(y[place(n, c, p)])) << src.describe();
    ASSERT_EQ(diff_src.at(n, c, p), static_cast<double>(dx[place(n, c, p)])) << src.describe();
  });
  EXPECT_TRUE(dst.padding_is_zero());
  EXPECT_TRUE(diff_src.padding_is_zero());
}

TEST_P(TokenKernels, LayerNormOfImagesIsThatOfTheirPixels) {
  for (const Format format : {Format::channels_last, Format::blocked16}) {
    for (const std::int64_t channels : {5, 16, 40}) {
      for (const std::int64_t side : {1, 3}) check_layer_norm_of_images(format, channels, side);
    }
  }
}

// ---- GELU ----

TEST_P(TokenKernels, GeluMatchesItsFormula) {
  for (const std::size_t count : {1U, 7U, 16U, 19U, 40000U}) {
    const std::vector<float> src = random_numbers(count, 1, -6.0F, 6.0F);
    for (const ElementType type : kTypes) {
      Values dst(count, type);
      Values diff_dst(random_numbers(count, 2), type);
      Values diff_src(count, type);
      gelu(runtime(), static_cast<std::int64_t>(count), src.data(), dst.written());
      gelu_gradient(runtime(), static_cast<std::int64_t>(count), src.data(), diff_dst.read(), diff_src.written());
      for (std::size_t i = 0; i < count; ++i) {
        const auto x = static_cast<double>(src[i]);
        const double share = 0.5 * std::erfc(-x / std::numbers::sqrt2);
        const double density = std::exp(-x * x / 2.0) / std::sqrt(2.0 * std::numbers::pi);
        const double gradient = diff_dst[i] * (share + x * density);
        ASSERT_NEAR(dst[i], x * share, dst.tolerance(x * share, 1e-6)) << x;
        ASSERT_NEAR(diff_src[i], gradient, diff_src.tolerance(gradient, 1e-6)) << x;
      }
    }
  }
}

// ---- dropout ----

/// Whether the kernels drop an image's value number `value`: the numbers that plan/dropout_draws.hpp promises.
std::vector<bool> dropped(const DropoutProblem& problem, std::int64_t image, std::size_t values) {
  Rng rng(problem.seed, RandomStream::dropout, static_cast<std::uint32_t>(problem.update),
          static_cast<std::uint32_t>(problem.first_image + image));
  std::vector<bool> drops;
  for (std::size_t i = 0; i < values; ++i)
    drops.push_back(static_cast<double>(rng.next()) < static_cast<double>(problem.rate) * 0x1p32);
  return drops;
}

constexpr DropoutProblem kDropout{.rate = 0.25F, .seed = 77, .update = 5, .first_image = 3};

TEST_P(TokenKernels, DropoutDropsTheSameValuesInEveryLayout) {
  for (const Format format : kImageFormats) {
    for (const ElementType type : kTypes) {
      for (const std::int64_t channels : {3, 20}) {
        ImageTensor src({4, channels, 3, 3}, type, format);
        ImageTensor dst({4, channels, 3, 3}, type, format);
        src.fill(1, 2.0F);
        dst.spoil();
        drop_values(runtime(), src.layout(), kDropout, src.data(), dst.data());
        std::size_t number = 0;
        src.for_each([&](auto n, auto c, auto p) {
          const std::size_t values = static_cast<std::size_t>(channels) * src.pixels();
          const std::size_t value = static_cast<std::size_t>(c) * src.pixels() + p;
          const bool drops = dropped(kDropout, n, values)[value];
          number += drops ? 1 : 0;
          const double expected = drops ? 0.0 : src.at(n, c, p) / 0.75;
          ASSERT_NEAR(dst.at(n, c, p), expected, type == ElementType::f32 ? 1e-6 : 0x1p-6) << src.describe();
        });
        EXPECT_GT(number, 0U);
        EXPECT_TRUE(dst.padding_is_zero()) << src.describe();
      }
    }
  }
}

TEST_P(TokenKernels, DropPathDropsWholeImages) {
  for (const ElementType type : kTypes) {
    const Layout layout(Shape{40, 3, 7}, type, Format::plain);
    Values src(random_numbers(std::size_t{40} * 21, 1, 1.0F, 2.0F), type);
    Values dst(src.size(), type);
    drop_images(runtime(), layout, kDropout, src.data(), dst.data());
    std::size_t number = 0;
    for (std::size_t i = 0; i < src.size(); ++i) {
      const bool drops = dropped(kDropout, static_cast<std::int64_t>(i / 21), 1)[0];
      number += drops ? 1 : 0;
      const double expected = drops ? 0.0 : src[i] / 0.75;
      ASSERT_NEAR(dst[i], expected, dst.tolerance(expected, 4e-7)) << i;
    }
    EXPECT_GT(number, 0U);
    EXPECT_LT(number, src.size());
  }
}

// ---- what adds to tokens, or takes means of them ----

TEST_P(TokenKernels, EmbeddingsAndMeansMatchPlainLoops) {
  for (const std::size_t features : {1U, 6U, 1030U}) {  // one more than a task sums
    constexpr std::size_t kImages = 3;
    constexpr std::size_t kTokens = 4;
    const TokenShape shape{kImages, kTokens, static_cast<std::int64_t>(features)};
    const std::size_t values = kTokens * features;
    const std::vector<float> src = random_numbers(kImages * values, 1);
    const std::vector<float> position = random_numbers(values, 2);
    const std::vector<float> token = random_numbers(features, 3);

    std::vector<float> added(src.size());
    add_to_each_image(runtime(), shape, src.data(), position.data(), added.data());
    std::vector<float> longer(kImages * (values + features));
    prepend_token(runtime(), shape, token.data(), src.data(), longer.data());
    std::vector<float> shorter(src.size());
    drop_first_token(runtime(), {kImages, kTokens + 1, shape.features}, longer.data(), shorter.data());
    EXPECT_EQ(shorter, src);
    for (std::size_t i = 0; i < src.size(); ++i) ASSERT_EQ(added[i], src[i] + position[i % values]) << i;
    for (std::size_t i = 0; i < longer.size(); ++i) {
      const std::size_t n = i / (values + features);
      const std::size_t in_image = i % (values + features);
      ASSERT_EQ(longer[i], in_image < features ? token[in_image] : src[n * values + in_image - features]) << i;
    }

    std::vector<float> sums(2 * features);
    sum_over_images(runtime(), shape, 2, src.data(), sums.data());
    for (std::size_t i = 0; i < sums.size(); ++i) {
      double expected = 0.0;
      for (std::size_t n = 0; n < kImages; ++n) expected += static_cast<double>(src[n * values + i]);
      ASSERT_EQ(sums[i], static_cast<float>(expected)) << i;
    }

    std::vector<float> mean(kImages * features);
    token_mean(runtime(), shape, 1, 4, src.data(), mean.data());
    std::vector<float> spread(src.size(), 9.0F);
    token_mean_gradient(runtime(), shape, 1, 4, mean.data(), spread.data());
    for (std::size_t n = 0; n < kImages; ++n) {
      for (std::size_t f = 0; f < features; ++f) {
        double expected = 0.0;
        for (std::size_t t = 1; t < 4; ++t) expected += static_cast<double>(src[n * values + t * features + f]);
        ASSERT_EQ(mean[n * features + f], static_cast<float>(expected / 3.0)) << f;
        ASSERT_EQ(spread[n * values + f], 0.0F) << f;
        for (std::size_t t = 1; t < 4; ++t)
          ASSERT_NEAR(static_cast<double>(spread[n * values + t * features + f]), expected / 9.0, 1e-7) << f;
      }
    }
  }
}

}  // namespace
}  // namespace convmixer::kernels

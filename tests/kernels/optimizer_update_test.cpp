#include "kernels/optimizer_update.hpp"

#include "convmixer/core/rng.hpp"
#include "kernels/instruction_sets.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace convmixer::kernels {
namespace {

/// Lengths around those of vectors, and one of many.
constexpr std::size_t kCounts[] = {0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 257, 1003};
constexpr std::size_t kAfter = 20;   // values after the last, which must stay as they are
constexpr double kTolerance = 4e-7;  // some roundings of f32, of values up to 1

std::vector<float> numbers(std::size_t count, std::uint32_t stream, float lowest) {
  Rng rng(5, RandomStream::synthetic_data, stream);
  std::vector<float> values(count + kAfter);
  std::ranges::generate(values, [&] { return rng.uniform(lowest, 1.0F); });
  return values;
}

void expect_values(const std::vector<float>& found, const std::vector<double>& expected,
                   const std::vector<float>& before, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_NEAR(static_cast<double>(found[i]), expected[i], kTolerance) << i << " of " << count;
  }
  for (std::size_t i = count; i < found.size(); ++i) ASSERT_EQ(found[i], before[i]) << i << " after " << count;
}

double plain_sum_of_squares(const std::vector<float>& gradients, std::size_t count) {
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(gradients[i]) * static_cast<double>(gradients[i]);
  return sum;
}

/// The tensors of an update before it.
struct Before {
  explicit Before(std::size_t count)
      : values(numbers(count, 0, -1.0F)),
        gradients(numbers(count, 1, -1.0F)),
        first(numbers(count, 2, -1.0F)),
        second(numbers(count, 3, 0.0F)) {}

  std::vector<float> values;
  std::vector<float> gradients;
  std::vector<float> first;
  std::vector<float> second;
};

class OptimizerUpdate : public testing_support::OnEveryInstructionSet {};
INSTANTIATE_TEST_SUITE_P(All, OptimizerUpdate, testing_support::every_instruction_set(),
                         testing_support::name_of_instruction_set);

TEST_P(OptimizerUpdate, OfAdamMatchesPlainLoopAtEveryLength) {
  const AdamFactors f{.gradient_scale = 0.75F,
                      .l2 = 0.125F,
                      .keep = 0.875F,
                      .one_minus_beta1 = 0.2F,
                      .beta2 = 0.95F,
                      .one_minus_beta2 = 0.05F,
                      .inverse_sqrt_correction2 = 1.25F,
                      .epsilon = 0.1F,
                      .step_size = 0.25F};
  for (const std::size_t count : kCounts) {
    const Before before(count);
    Before after = before;
    const double squares = adam_update({.values = after.values.data(),
                                        .gradients = after.gradients.data(),
                                        .exp_avg = after.first.data(),
                                        .exp_avg_sq = after.second.data(),
                                        .count = count,
                                        .factors = f});
    std::vector<double> values(count);
    std::vector<double> exp_avg(count);
    std::vector<double> exp_avg_sq(count);
    for (std::size_t i = 0; i < count; ++i) {
      const double p = before.values[i];
      const double g = static_cast<double>(f.gradient_scale) * before.gradients[i] + static_cast<double>(f.l2) * p;
      exp_avg[i] = before.first[i] + static_cast<double>(f.one_minus_beta1) * (g - before.first[i]);
      exp_avg_sq[i] = static_cast<double>(f.beta2) * before.second[i] + static_cast<double>(f.one_minus_beta2) * g * g;
      const double denominator =
          std::sqrt(exp_avg_sq[i]) * static_cast<double>(f.inverse_sqrt_correction2) + static_cast<double>(f.epsilon);
      values[i] = p * static_cast<double>(f.keep) - static_cast<double>(f.step_size) * exp_avg[i] / denominator;
    }
    expect_values(after.values, values, before.values, count);
    expect_values(after.first, exp_avg, before.first, count);
    expect_values(after.second, exp_avg_sq, before.second, count);
    EXPECT_EQ(after.gradients, before.gradients);
    EXPECT_NEAR(squares, plain_sum_of_squares(before.gradients, count), 1e-12 * static_cast<double>(count));
  }
}

TEST_P(OptimizerUpdate, OfSgdMatchesPlainLoopAtEveryLengthWithAndWithoutMomentum) {
  enum class Kind { plain, momentum, nesterov };
  for (const Kind kind : {Kind::plain, Kind::momentum, Kind::nesterov}) {
    const SgdFactors f{.gradient_scale = 0.75F,
                       .l2 = 0.125F,
                       .momentum = kind == Kind::plain ? 0.0F : 0.875F,
                       .learning_rate = 0.5F,
                       .nesterov = kind == Kind::nesterov};
    for (const std::size_t count : kCounts) {
      const Before before(count);
      Before after = before;
      const double squares = sgd_update({.values = after.values.data(),
                                         .gradients = after.gradients.data(),
                                         .momentum_buffer = kind == Kind::plain ? nullptr : after.first.data(),
                                         .count = count,
                                         .factors = f});
      std::vector<double> values(count);
      std::vector<double> buffer(before.first.begin(), before.first.end());
      for (std::size_t i = 0; i < count; ++i) {
        const double p = before.values[i];
        const double g = static_cast<double>(f.gradient_scale) * before.gradients[i] + static_cast<double>(f.l2) * p;
        if (kind != Kind::plain) buffer[i] = static_cast<double>(f.momentum) * before.first[i] + g;
        const double direction = kind == Kind::plain      ? g
                                 : kind == Kind::momentum ? buffer[i]
                                                          : g + static_cast<double>(f.momentum) * buffer[i];
        values[i] = p - static_cast<double>(f.learning_rate) * direction;
      }
      expect_values(after.values, values, before.values, count);
      expect_values(after.first, buffer, before.first, count);
      EXPECT_EQ(after.gradients, before.gradients);
      EXPECT_NEAR(squares, plain_sum_of_squares(before.gradients, count), 1e-12 * static_cast<double>(count));
    }
  }
}

TEST_P(OptimizerUpdate, OfAValueDoesNotDependOnWhereItLies) {
  constexpr std::size_t kCount = 61;
  const AdamFactors f{.gradient_scale = 1.0F,
                      .l2 = 0.0F,
                      .keep = 0.999F,
                      .one_minus_beta1 = 0.1F,
                      .beta2 = 0.999F,
                      .one_minus_beta2 = 0.001F,
                      .inverse_sqrt_correction2 = 31.0F,
                      .epsilon = 1e-8F,
                      .step_size = 0.01F};
  const Before before(kCount);
  const auto update = [&](Before& tensors, std::size_t begin, std::size_t end) {
    (void)adam_update({.values = tensors.values.data() + begin,
                       .gradients = tensors.gradients.data() + begin,
                       .exp_avg = tensors.first.data() + begin,
                       .exp_avg_sq = tensors.second.data() + begin,
                       .count = end - begin,
                       .factors = f});
  };
  Before whole = before;
  update(whole, 0, kCount);
  Before parts = before;
  update(parts, 0, 5);
  update(parts, 5, 29);
  update(parts, 29, 60);
  update(parts, 60, kCount);
  EXPECT_EQ(parts.values, whole.values);
  EXPECT_EQ(parts.first, whole.first);
  EXPECT_EQ(parts.second, whole.second);
}

TEST_P(OptimizerUpdate, OfMuonMatchesPlainLoopAtEveryLength) {
  constexpr float kScale = 0.75F;
  constexpr float kShare = 0.0625F;
  constexpr float kKeep = 0.875F;
  constexpr float kRate = 0.25F;
  for (const bool nesterov : {true, false}) {
    for (const std::size_t count : kCounts) {
      const Before before(count);
      Before after = before;
      const MuonSquares squares = muon_direction({.gradients = after.gradients.data(),
                                                  .momentum_buffer = after.first.data(),
                                                  .direction = after.second.data(),
                                                  .count = count,
                                                  .gradient_scale = kScale,
                                                  .one_minus_momentum = kShare,
                                                  .nesterov = nesterov});
      std::vector<double> momentum(count);
      std::vector<double> direction(count);
      for (std::size_t i = 0; i < count; ++i) {
        const double g = static_cast<double>(kScale) * static_cast<double>(before.gradients[i]);
        const double m = static_cast<double>(before.first[i]);
        momentum[i] = m + static_cast<double>(kShare) * (g - m);
        direction[i] = nesterov ? momentum[i] + static_cast<double>(kShare) * (g - momentum[i]) : momentum[i];
      }
      expect_values(after.first, momentum, before.first, count);
      expect_values(after.second, direction, before.second, count);
      EXPECT_EQ(squares.gradients, sum_of_squares(before.gradients.data(), count));
      EXPECT_EQ(squares.direction, sum_of_squares(after.second.data(), count));

      muon_update(after.values.data(), after.second.data(), count, kKeep, kRate);
      std::vector<double> values(count);
      for (std::size_t i = 0; i < count; ++i) {
        values[i] = static_cast<double>(kKeep) * static_cast<double>(before.values[i]) -
                    static_cast<double>(kRate) * direction[i];
      }
      expect_values(after.values, values, before.values, count);
    }
  }
}

TEST_P(OptimizerUpdate, HasTheSumOfSquaresThatIsHadAlone) {
  for (const std::size_t count : kCounts) {
    Before tensors(count);
    const double alone = sum_of_squares(tensors.gradients.data(), count);
    EXPECT_EQ(
        sgd_update(
            {.values = tensors.values.data(),
             .gradients = tensors.gradients.data(),
             .momentum_buffer = nullptr,
             .count = count,
             .factors =
                 {.gradient_scale = 1.0F, .l2 = 0.0F, .momentum = 0.0F, .learning_rate = 0.1F, .nesterov = false}}),
        alone);
  }
}

}  // namespace
}  // namespace convmixer::kernels

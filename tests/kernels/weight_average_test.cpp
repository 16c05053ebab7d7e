#include "kernels/weight_average.hpp"

#include "convmixer/core/rng.hpp"
#include "kernels/instruction_sets.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace convmixer::kernels {
namespace {

constexpr std::size_t kCounts[] = {0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 257};
constexpr std::size_t kAfter = 20;  // averages after the last, which must stay as they are

std::vector<float> numbers(std::size_t count, std::uint32_t stream) {
  Rng rng(5, RandomStream::synthetic_data, stream);
  std::vector<float> values(count);
  std::ranges::generate(values, [&] { return rng.uniform(-1.0F, 1.0F); });
  return values;
}

class WeightAverageUpdate : public testing_support::OnEveryInstructionSet {};
INSTANTIATE_TEST_SUITE_P(All, WeightAverageUpdate, testing_support::every_instruction_set(),
                         testing_support::name_of_instruction_set);

TEST_P(WeightAverageUpdate, MatchesPlainLoopAtEveryLength) {
  constexpr double kTolerance = 4e-7;  // some roundings of f32, of values up to 1
  for (const double decay : {0.25, 0.5, 0.75, 0.998}) {
    for (const std::size_t count : kCounts) {
      const std::vector<float> values = numbers(count, 0);
      const std::vector<float> before = numbers(count + kAfter, 1);
      std::vector<float> averages = before;
      average_update(values.data(), averages.data(), count, decay);
      for (std::size_t i = 0; i < count; ++i) {
        const double expected = decay * static_cast<double>(before[i]) + (1.0 - decay) * static_cast<double>(values[i]);
        ASSERT_NEAR(static_cast<double>(averages[i]), expected, kTolerance) << i << " of " << count;
      }
      for (std::size_t i = count; i < averages.size(); ++i) ASSERT_EQ(averages[i], before[i]) << i;
    }
  }
}

TEST_P(WeightAverageUpdate, CopiesWithADecayOf0) {
  const std::vector<float> values = numbers(100, 0);
  std::vector<float> averages = numbers(100, 1);
  average_update(values.data(), averages.data(), values.size(), 0.0);
  EXPECT_EQ(averages, values);
}

TEST_P(WeightAverageUpdate, IsTheSameWhereverAValueLies) {
  const std::vector<float> values = numbers(37, 0);
  const std::vector<float> before = numbers(37, 1);
  std::vector<float> whole = before;
  average_update(values.data(), whole.data(), whole.size(), 0.9);
  std::vector<float> single = before;
  for (std::size_t i = 0; i < single.size(); ++i) average_update(&values[i], &single[i], 1, 0.9);
  EXPECT_EQ(whole, single);
}

}  // namespace
}  // namespace convmixer::kernels

// Sums over chunks against plain loops.
#include "kernels/fused/chunk_sums.hpp"

#include "convmixer/core/rng.hpp"
#include "kernels/instruction_sets.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace convmixer::kernels {
namespace {

class ChunkSums : public testing_support::OnEveryInstructionSet {};
INSTANTIATE_TEST_SUITE_P(All, ChunkSums, testing_support::every_instruction_set(),
                         testing_support::name_of_instruction_set);

constexpr std::size_t kStride = 40;
constexpr double kUntouched = -7.0;

/// Values of each chunk, all channels of one number of them.
struct Batch {
  explicit Batch(const std::vector<std::size_t>& of_chunks) : values(of_chunks) {
    Rng rng(3, RandomStream::synthetic_data);
    for (const std::size_t count : values) {
      std::vector<float> chunk(count * kStride);
      for (std::size_t i = 0; i < chunk.size(); ++i) chunk[i] = 100.0F * static_cast<float>(i % 3) + rng.normal();
      for (std::size_t c = 0; c < kStride; ++c) {
        const float first = chunk[c];
        double sum_of = 0.0;
        double square_of = 0.0;
        for (std::size_t i = 0; i < count; ++i) {
          const double centred = static_cast<double>(chunk[i * kStride + c]) - static_cast<double>(first);
          sum_of += centred;
          square_of += centred * centred;
        }
        origin.push_back(first);
        sum.push_back(sum_of);
        square.push_back(square_of);
      }
      all.push_back(std::move(chunk));
    }
  }

  [[nodiscard]] ChunkMomentSums sums() const {
    return {origin.data(), sum.data(), square.data(), values.data(), values.size(), kStride};
  }

  std::vector<std::size_t> values;
  std::vector<std::vector<float>> all;
  std::vector<float> origin;
  std::vector<double> sum;
  std::vector<double> square;
};

TEST_P(ChunkSums, MomentsAreThoseOfAllValues) {
  const Batch batch({5, 1, 8, 3});
  for (const std::size_t channels : {std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{19}, kStride}) {
    std::vector<double> mean(kStride, kUntouched);
    std::vector<double> square(kStride, kUntouched);
    chunk_moments(batch.sums(), channels, mean.data(), square.data());
    for (std::size_t c = 0; c < kStride; ++c) {
      if (c >= channels) {
        EXPECT_EQ(mean[c], kUntouched);
        EXPECT_EQ(square[c], kUntouched);
        continue;
      }
      double sum = 0.0;
      double count = 0.0;
      for (std::size_t chunk = 0; chunk < batch.all.size(); ++chunk) {
        for (std::size_t i = c; i < batch.all[chunk].size(); i += kStride) sum += batch.all[chunk][i];
        count += static_cast<double>(batch.values[chunk]);
      }
      double squares = 0.0;
      for (const std::vector<float>& chunk : batch.all) {
        for (std::size_t i = c; i < chunk.size(); i += kStride) {
          const double distance = static_cast<double>(chunk[i]) - sum / count;
          squares += distance * distance;
        }
      }
      EXPECT_NEAR(mean[c], sum / count, 1e-10) << c;
      EXPECT_NEAR(square[c], squares, 1e-7) << c;
    }
  }
}

TEST_P(ChunkSums, TotalsAreInTheOrderOfTheChunks) {
  constexpr std::size_t kChunks = 9;
  std::vector<double> rows(kChunks * kStride);
  Rng rng(4, RandomStream::synthetic_data);
  for (double& value : rows) value = static_cast<double>(rng.normal());
  for (const std::size_t channels : {std::size_t{1}, std::size_t{9}, std::size_t{16}, kStride}) {
    std::vector<double> result(kStride, kUntouched);
    chunk_total(rows.data(), kChunks, kStride, channels, result.data());
    std::vector<double> in_place = rows;
    chunk_total(in_place.data(), kChunks, kStride, channels, in_place.data());
    EXPECT_TRUE(std::equal(in_place.begin(), in_place.begin() + static_cast<std::ptrdiff_t>(channels), result.begin()));
    for (std::size_t c = 0; c < kStride; ++c) {
      double expected = 0.0;
      for (std::size_t chunk = 0; chunk < kChunks; ++chunk) expected += rows[chunk * kStride + c];
      EXPECT_EQ(result[c], c < channels ? expected : kUntouched) << c;
    }
  }
}

}  // namespace
}  // namespace convmixer::kernels

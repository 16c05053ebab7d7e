// Sums over chunks against plain loops and plain recursion.
#include "kernels/fused/chunk_sums.hpp"

#include "convmixer/core/rng.hpp"
#include "kernels/instruction_sets.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
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

/// The sum of rows [begin, end) in a column, in the tree's order.
template <typename T>
T tree_sum(const std::vector<T>& rows, std::size_t stride, std::size_t column, std::size_t begin, std::size_t end) {
  if (end - begin == 1) return rows[begin * stride + column];
  const std::size_t middle = (begin + end) / 2;
  return tree_sum(rows, stride, column, begin, middle) + tree_sum(rows, stride, column, middle, end);
}

template <typename T>
std::vector<T> random_values(std::size_t count) {
  Rng rng(4, RandomStream::synthetic_data);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(rng.normal());
  return values;
}

template <typename T>
void expect_sums_of_the_tree() {
  constexpr T kNotWritten = T{-7};
  for (const std::size_t chunks : {1U, 2U, 3U, 9U, 16U, 31U, 64U, 256U}) {
    constexpr std::size_t kMost = 1100;  // more than are added up at a time
    const std::vector<T> rows = random_values<T>(chunks * kMost);
    for (const std::size_t columns : {1U, 9U, 16U, 40U, 1100U}) {
      if (chunks > 64 && columns > 40) continue;  // long enough
      std::vector<T> total(kMost, kNotWritten);
      chunk_total({rows.data(), chunks, kMost, columns}, total.data());
      std::vector<T> in_place = rows;
      chunk_total({in_place.data(), chunks, kMost, columns}, in_place.data());
      for (std::size_t c = 0; c < kMost; ++c) {
        const T expected = c < columns ? tree_sum(rows, kMost, c, 0, chunks) : kNotWritten;
        ASSERT_EQ(total[c], expected) << chunks << " chunks, column " << c << " of " << columns;
        ASSERT_EQ(in_place[c], c < columns ? expected : rows[c]) << chunks << " chunks, column " << c;
      }
    }
  }
}

TEST_P(ChunkSums, TotalsHaveTheBitsOfAPlainRecursion) {
  expect_sums_of_the_tree<float>();
  expect_sums_of_the_tree<double>();
}

TEST_P(ChunkSums, TotalsOfARectangleAreThoseOfItsRows) {
  constexpr std::size_t kChunks = 24;
  constexpr std::size_t kChunkStride = 4000;
  constexpr std::size_t kRowStride = 90;
  const std::vector<float> values = random_values<float>(kChunks * kChunkStride);
  for (const std::size_t rows : {1U, 3U, 32U}) {
    for (const std::size_t columns : {5U, 32U}) {
      std::vector<float> total(rows * columns);
      chunk_total(ChunkValues<float>{.first = values.data(),
                                     .chunks = kChunks,
                                     .stride = kChunkStride,
                                     .columns = columns,
                                     .rows = rows,
                                     .row_stride = kRowStride},
                  total.data());
      for (std::size_t row = 0; row < rows; ++row) {
        for (std::size_t c = 0; c < columns; ++c) {
          ASSERT_EQ(total[row * columns + c], tree_sum(values, kChunkStride, row * kRowStride + c, 0, kChunks));
        }
      }
    }
  }
}

// A process that holds half of the chunks has an operand of the whole sum.
TEST_P(ChunkSums, HalvesOfTheChunksAreTheOperandsOfTheWhole) {
  constexpr std::size_t kChunks = 64;
  const std::vector<float> rows = random_values<float>(kChunks * kStride);
  const auto total = [&](std::size_t first, std::size_t chunks) {
    std::vector<float> sums(kStride);
    chunk_total({rows.data() + first * kStride, chunks, kStride, kStride}, sums.data());
    return sums;
  };
  const std::vector<float> whole = total(0, kChunks);
  const std::vector<float> left = total(0, kChunks / 2);
  const std::vector<float> right = total(kChunks / 2, kChunks / 2);
  for (std::size_t c = 0; c < kStride; ++c) EXPECT_EQ(whole[c], left[c] + right[c]) << c;
}

TEST_P(ChunkSums, MomentsOfHalvesMergeToThoseOfTheWhole) {
  const Batch batch({5, 1, 8, 3, 2, 2, 7, 4});
  std::vector<double> mean(kStride);
  std::vector<double> square(kStride);
  chunk_moments(batch.sums(), kStride, mean.data(), square.data());
  std::array<std::vector<double>, 2> means{std::vector<double>(kStride), std::vector<double>(kStride)};
  std::array<std::vector<double>, 2> squares = means;
  for (std::size_t half = 0; half < 2; ++half) {
    ChunkMomentSums sums = batch.sums();
    sums.chunks = 4;
    sums.origin += half * 4 * kStride;
    sums.sum += half * 4 * kStride;
    sums.square += half * 4 * kStride;
    sums.values += half * 4;
    chunk_moments(sums, kStride, means[half].data(), squares[half].data());
  }
  const double n[] = {17.0, 15.0};
  for (std::size_t c = 0; c < kStride; ++c) {
    const double distance = means[1][c] - means[0][c];
    EXPECT_DOUBLE_EQ(mean[c], means[0][c] + distance * n[1] / 32.0) << c;
    EXPECT_DOUBLE_EQ(square[c], squares[0][c] + squares[1][c] + distance * distance * n[0] * n[1] / 32.0) << c;
  }
  // Merged by ranks, which have a half each: to the last bit.
  Moments lower{n[0], means[0].data(), squares[0].data()};
  merge_moments(lower, n[1], means[1].data(), squares[1].data(), kStride);
  EXPECT_EQ(lower.values, 32.0);
  EXPECT_EQ(means[0], mean);
  EXPECT_EQ(squares[0], square);
}

}  // namespace
}  // namespace convmixer::kernels

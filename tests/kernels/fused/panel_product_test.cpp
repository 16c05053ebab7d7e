// Products by hand-written kernels against plain loops in double precision.
#include "kernels/fused/panel_product.hpp"

#include "kernels/fused/panel_packing.hpp"
#include "kernels/fused/stage_values.hpp"
#include "kernels/instruction_sets.hpp"

#include <gtest/gtest.h>

namespace convmixer::kernels {
namespace {

using namespace testing_support;

class PanelProduct : public OnEveryInstructionSet {};
INSTANTIATE_TEST_SUITE_P(All, PanelProduct, every_instruction_set(), name_of_instruction_set);

/// A matrix in rows of 32, block after block, zeros after its last column.
template <class Storage>
struct Blocked {
  using Operand = typename Storage::Operand;

  Blocked(std::size_t row_count, std::size_t column_count, std::uint64_t seed)
      : rows(row_count), columns(column_count), values(rows * padded_channels(columns)) {
    const auto random = random_values<Operand>(rows * columns, seed);
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < columns; ++c) values[at(r, c)] = random[r * columns + c];
    }
  }
  [[nodiscard]] std::size_t at(std::size_t r, std::size_t c) const {
    return (c / kChannelBlock * rows + r) * kChannelBlock + c % kChannelBlock;
  }
  [[nodiscard]] double operator()(std::size_t r, std::size_t c) const { return number(values[at(r, c)]); }
  /// Words of rows.
  [[nodiscard]] Values<float> words() const {
    auto result = untouched<float>(words_of<Storage>(rows) * padded_channels(columns));
    for (std::size_t block = 0; block < padded_channels(columns) / kChannelBlock; ++block) {
      const Operand* const from = values.data() + block * rows * kChannelBlock;
      float* const to = result.data() + block * words_of<Storage>(rows) * kChannelBlock;
      if constexpr (Storage::kValuesPerWord == 1) {
        std::copy_n(from, rows * kChannelBlock, to);
      } else {
        pair_rows(from, rows, to);
      }
    }
    return result;
  }

  std::size_t rows;
  std::size_t columns;
  Values<Operand> values;
};

template <class Storage>
double weight_as_packed(float weight) {
  return Storage::kValuesPerWord == 1 ? number(weight) : number(from_bf16(to_bf16(weight)));
}

/// Multiplies random rows by a panel of so many columns, and compares what comes out with plain loops: zeros after the
/// columns, whatever stood there, and nothing after the rows.
template <class Storage>
void check_rows_product(std::size_t rows, std::size_t inner, std::size_t columns, bool has_bias, PanelLayout layout) {
  const Blocked<Storage> a(rows, inner, 1);
  const auto weights = random_values<float>(inner * columns, 2);
  auto bias = random_values<float>(kChannelBlock, 3);
  std::fill(bias.begin() + static_cast<std::ptrdiff_t>(columns), bias.end(), 0.0F);
  auto panel = untouched<float>(packed_panels_size<Storage>(inner, columns));
  pack_panels<Storage>(weights.data(), columns, 1, inner, columns, panel.data(), layout);
  auto dst = untouched<float>((rows + 1) * kChannelBlock);
  multiply_rows<Storage>({.a = a.values.data(),
                          .a_block = rows * kChannelBlock,
                          .b = panel.data(),
                          .layout = layout,
                          .rows = rows,
                          .inner = inner,
                          .columns = columns,
                          .bias = has_bias ? bias.data() : nullptr,
                          .dst = dst.data()});
  Errors errors;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      double expected = has_bias ? number(bias[c]) : 0.0;
      double sizes = std::abs(expected);
      for (std::size_t k = 0; k < inner; ++k) {
        const double product = a(r, k) * weight_as_packed<Storage>(weights[k * columns + c]);
        expected += product;
        sizes += std::abs(product);
      }
      errors.add(number(dst[r * kChannelBlock + c]), expected, static_cast<double>(inner + 2) * kF32 * sizes,
                 r * kChannelBlock + c);
    }
    for (std::size_t c = columns; c < kChannelBlock; ++c) EXPECT_EQ(number(dst[r * kChannelBlock + c]), 0.0) << c;
  }
  EXPECT_WITHIN_ROUNDING(errors);
  for (std::size_t c = 0; c < kChannelBlock; ++c) EXPECT_TRUE(is_untouched(dst[rows * kChannelBlock + c]));
}

template <class Storage>
void check_rows(PanelLayout layout) {
  for (const std::size_t rows : std::initializer_list<std::size_t>{1, 5, 12, 13, 64, 100}) {
    for (const std::size_t inner : std::initializer_list<std::size_t>{1, 3, 12, 31, 32, 33, 80}) {
      for (const bool has_bias : {true, false}) {
        SCOPED_TRACE(fmt::format("{} x {}{}", rows, inner, has_bias ? ", bias" : ""));
        check_rows_product<Storage>(rows, inner, kChannelBlock, has_bias, layout);
      }
    }
  }
}
TEST_P(PanelProduct, OfRowsMatchesPlainLoopInF32) {
  check_rows<F32Storage>(PanelLayout::rows);
  check_rows<F32Storage>(best_panel_layout());
}
TEST_P(PanelProduct, OfRowsMatchesPlainLoopInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_rows<Bf16Storage>(PanelLayout::rows);
  check_rows<Bf16Storage>(best_panel_layout());
}

template <class Storage>
void check_columns() {
  for (const std::size_t pixels : std::initializer_list<std::size_t>{1, 2, 7, 64, 225}) {
    for (const bool accumulate : {false, true}) {
      SCOPED_TRACE(fmt::format("{} pixels{}", pixels, accumulate ? ", added up" : ""));
      const Blocked<Storage> a(pixels, kChannelBlock, 1);
      const Blocked<Storage> b(pixels, kChannelBlock, 2);
      const auto before = random_values<float>(kChannelBlock * kChannelBlock, 3);
      Values<float> dst = before;
      const Values<float> a_words = a.words();
      const Values<float> b_words = b.words();
      multiply_columns<Storage>({.a = a_words.data(),
                                 .b = b_words.data(),
                                 .words = words_of<Storage>(pixels),
                                 .accumulate = accumulate,
                                 .dst = dst.data()});
      Errors errors;
      for (std::size_t r = 0; r < kChannelBlock; ++r) {
        for (std::size_t c = 0; c < kChannelBlock; ++c) {
          double expected = accumulate ? number(before[r * kChannelBlock + c]) : 0.0;
          double sizes = std::abs(expected);
          for (std::size_t p = 0; p < pixels; ++p) {
            expected += a(p, r) * b(p, c);
            sizes += std::abs(a(p, r) * b(p, c));
          }
          errors.add(number(dst[r * kChannelBlock + c]), expected, static_cast<double>(pixels + 2) * kF32 * sizes,
                     r * kChannelBlock + c);
        }
      }
      EXPECT_WITHIN_ROUNDING(errors);
    }
  }
}
TEST_P(PanelProduct, OfColumnsMatchesPlainLoopInF32) { check_columns<F32Storage>(); }
TEST_P(PanelProduct, OfColumnsMatchesPlainLoopInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_columns<Bf16Storage>();
}

/// A value of a packed matrix, by its word and the place in it.
template <class Storage>
float packed_value(const Values<float>& packed, std::size_t inner, std::size_t i, std::size_t j, PanelLayout layout) {
  const std::size_t word = i / Storage::kValuesPerWord;
  const std::size_t row = layout == PanelLayout::rows ? kChannelBlock : kChannelBlock / 2;
  const float* const at = packed.data() + (j / row * words_of<Storage>(inner) + word) * row + j % row;
  if constexpr (Storage::kValuesPerWord == 1) {
    return *at;
  } else {
    std::uint32_t pair = 0;
    std::memcpy(&pair, at, sizeof pair);
    return from_bf16(static_cast<std::uint16_t>(i % 2 == 0 ? pair & 0xffffU : pair >> 16));
  }
}

template <class Storage>
void check_packing(PanelLayout layout) {
  for (const std::size_t inner : std::initializer_list<std::size_t>{1, 2, 8, 33, 46}) {
    for (const std::size_t columns : std::initializer_list<std::size_t>{1, 32, 40, 64}) {
      for (const bool transposed : {false, true}) {
        SCOPED_TRACE(fmt::format("{} x {}{}", inner, columns, transposed ? ", transposed" : ""));
        const auto matrix = random_values<float>(inner * columns, 1);
        const std::size_t row_stride = transposed ? 1 : columns;
        const std::size_t column_stride = transposed ? inner : 1;
        auto packed = untouched<float>(packed_panels_size<Storage>(inner, columns));
        pack_panels<Storage>(matrix.data(), row_stride, column_stride, inner, columns, packed.data(), layout);
        for (std::size_t i = 0; i < words_of<Storage>(inner) * Storage::kValuesPerWord; ++i) {
          for (std::size_t j = 0; j < padded_channels(columns); ++j) {
            const bool inside = i < inner && j < columns;
            const double expected =
                inside ? weight_as_packed<Storage>(matrix[i * row_stride + j * column_stride]) : 0.0;
            ASSERT_EQ(number(packed_value<Storage>(packed, inner, i, j, layout)), expected) << i << ", " << j;
          }
        }
      }
    }
  }
}
TEST_P(PanelProduct, PacksEveryValueInItsPlaceInF32) {
  for (const PanelLayout layout : {PanelLayout::rows, PanelLayout::halves}) check_packing<F32Storage>(layout);
}
TEST_P(PanelProduct, PacksEveryValueInItsPlaceInBf16) {
  for (const PanelLayout layout : {PanelLayout::rows, PanelLayout::halves}) check_packing<Bf16Storage>(layout);
}

template <class Storage>
void check_rows_of_some_columns() {
  for (std::size_t columns = 1; columns <= kChannelBlock; ++columns) {
    SCOPED_TRACE(columns);
    check_rows_product<Storage>(13, 33, columns, true, best_panel_layout());
  }
}
TEST_P(PanelProduct, OfRowsHasZerosAfterThePanelsColumnsInF32) { check_rows_of_some_columns<F32Storage>(); }
TEST_P(PanelProduct, OfRowsHasZerosAfterThePanelsColumnsInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_rows_of_some_columns<Bf16Storage>();
}

template <class Storage>
void check_some_columns() {
  constexpr std::size_t kPixels = 7;
  const Blocked<Storage> a(kPixels, kChannelBlock, 1);
  const Blocked<Storage> b(kPixels, kChannelBlock, 2);
  const Values<float> a_words = a.words();
  const Values<float> b_words = b.words();
  auto whole = untouched<float>(kChannelBlock * kChannelBlock);
  multiply_columns<Storage>({.a = a_words.data(),
                             .b = b_words.data(),
                             .words = words_of<Storage>(kPixels),
                             .accumulate = false,
                             .dst = whole.data()});
  for (const std::size_t rows : std::initializer_list<std::size_t>{1, 4, 12, 13, 31}) {
    for (const std::size_t columns : std::initializer_list<std::size_t>{1, 4, 16, 17, 32}) {
      auto dst = untouched<float>(kChannelBlock * kChannelBlock);
      multiply_columns<Storage>({.a = a_words.data(),
                                 .b = b_words.data(),
                                 .words = words_of<Storage>(kPixels),
                                 .accumulate = false,
                                 .rows = rows,
                                 .columns = columns,
                                 .dst = dst.data()});
      for (std::size_t r = 0; r < kChannelBlock; ++r) {
        for (std::size_t c = 0; c < kChannelBlock; ++c) {
          const std::size_t at = r * kChannelBlock + c;
          if (r >= rows) {
            ASSERT_TRUE(is_untouched(dst[at])) << r << ", " << c;
          } else if (c < columns) {
            ASSERT_EQ(dst[at], whole[at]) << r << ", " << c;
          }
        }
      }
    }
  }
}
TEST_P(PanelProduct, OfColumnsTakesSomeRowsAndColumnsInF32) { check_some_columns<F32Storage>(); }
TEST_P(PanelProduct, OfColumnsTakesSomeRowsAndColumnsInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  check_some_columns<Bf16Storage>();
}

// The fast way of packing and the plain one round alike, whatever the value.
TEST_P(PanelProduct, PacksEveryKindOfF32AsToBf16RoundsIt) {
  constexpr std::size_t kInner = 8;
  Values<float> matrix(kInner * kChannelBlock, 1.0F);
  const std::uint32_t bits[] = {0x00000000, 0x80000000, 0x00000001, 0x807fffff, 0x3f808000, 0x3f818000,
                                0x3f808001, 0xbf807fff, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7f800001,
                                0xffc00000, 0x7fffffff, 0xffffffff, 0x00008000};
  for (std::size_t i = 0; i < std::size(bits); ++i) matrix[i * 5] = std::bit_cast<float>(bits[i]);
  auto packed = untouched<float>(packed_panels_size<Bf16Storage>(kInner, kChannelBlock));
  pack_panels<Bf16Storage>(matrix.data(), 1, kInner, kInner, kChannelBlock, packed.data());
  Values<std::uint16_t> halves(2 * packed.size());
  std::memcpy(halves.data(), packed.data(), packed.size() * sizeof(float));
  for (std::size_t i = 0; i < kInner; ++i) {
    for (std::size_t j = 0; j < kChannelBlock; ++j) {
      const float value = matrix[j * kInner + i];
      EXPECT_EQ(halves[(i / 2 * kChannelBlock + j) * 2 + i % 2], to_bf16(value)) << std::bit_cast<std::uint32_t>(value);
    }
  }
}

}  // namespace
}  // namespace convmixer::kernels

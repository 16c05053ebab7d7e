// The products of an image's pixels with a stage's weights against plain loops in double precision: by hand-written
// kernels and by oneDNN's, with operands and weights as the stages lay them out.
#include "plan/fused/tiled_product.hpp"

#include "kernels/fused/stage_values.hpp"
#include "plan/engine_runtime.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using namespace testing_support;
using kernels::Bf16Storage;
using kernels::ElementType;
using kernels::F32Storage;
using kernels::padded_channels;

struct Sizes {
  std::size_t rows;      // pixels
  std::size_t channels;  // of the result, before they are padded to whole blocks
  std::size_t inner;
};

/// Rows that are no multiple of a tile's, columns that leave a slice of 32, odd inner sizes.
constexpr Sizes kSizes[] = {{1, 8, 27}, {64, 20, 12}, {130, 40, 64}, {257, 257, 75}, {300, 70, 288}, {389, 32, 257}};

template <class Storage>
constexpr ElementType kTypeOf = std::is_same_v<Storage, F32Storage> ? ElementType::f32 : ElementType::bf16;

/// Operands of a product, its columns padded to whole blocks of 32 with weights of 0.
template <class Storage>
struct Operands {
  using Operand = typename Storage::Operand;

  Operands(const Sizes& sizes, bool bias)
      : problem{.rows = sizes.rows,
                .columns = padded_channels(sizes.channels),
                .inner = sizes.inner,
                .type = kTypeOf<Storage>,
                .bias = bias,
                .padding = padded_channels(sizes.channels) - sizes.channels},
        bias_values(random_values<float>(problem.columns, 3)) {
    for (std::size_t j = sizes.channels; j < problem.columns; ++j) {
      for (std::size_t i = 0; i < problem.inner; ++i) weights[i * problem.columns + j] = 0.0F;
      bias_values[j] = 0.0F;
    }
  }

  TiledProductProblem problem;
  Values<Operand> a = random_values<Operand>(problem.rows * problem.inner, 1);       // (rows, inner)
  Values<float> weights = random_values<float>(problem.inner * problem.columns, 2);  // (inner, columns)
  Values<float> bias_values;

  /// `a` as stages write it; 0 in the rest of a block of 32.
  [[nodiscard]] Values<Operand> laid_out(const TiledProduct& product) const {
    Values<Operand> to(product.operand_elements());
    const kernels::RowLayout layout = product.operand();
    for (std::size_t r = 0; r < problem.rows; ++r) {
      for (std::size_t c = 0; c < problem.inner; ++c) {
        to.at(r * layout.row + c / 32 * layout.block + c % 32) = a[r * problem.inner + c];
      }
    }
    return to;
  }

  /// The weights as they are packed; `transposed`: read from a matrix that lies as (columns, inner).
  [[nodiscard]] Values<std::byte> packed(const TiledProduct& product, bool transposed) const {
    Values<float> from = weights;
    if (transposed) {
      for (std::size_t i = 0; i < problem.inner; ++i) {
        for (std::size_t j = 0; j < problem.columns; ++j)
          from[j * problem.inner + i] = weights[i * problem.columns + j];
      }
    }
    auto to = untouched<std::byte>(product.packed_bytes() + kGuard);
    std::vector<std::function<void()>> packings;
    kernels::Runtime& runtime = runtime_of(test_engine());
    product.add_packings(runtime, from.data(), transposed ? 1 : problem.columns, transposed ? problem.inner : 1,
                         to.data(), packings);
    const kernels::OneThread one_thread(runtime);
    for (const auto& pack : packings) pack();
    for (std::size_t i = product.packed_bytes(); i < to.size(); ++i) EXPECT_TRUE(is_untouched(to[i])) << i;
    return to;
  }

  [[nodiscard]] double weight(std::size_t i, std::size_t j) const {
    const float value = weights[i * problem.columns + j];
    return Storage::kValuesPerWord == 1 ? number(value) : number(from_bf16(to_bf16(value)));
  }

  void expect(const Values<float>& result, std::size_t rows) const {
    Errors errors;
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t j = 0; j < problem.columns; ++j) {
        double expected = problem.bias ? number(bias_values[j]) : 0.0;
        double sizes = std::abs(expected);
        for (std::size_t i = 0; i < problem.inner; ++i) {
          const double product = number(a[r * problem.inner + i]) * weight(i, j);
          expected += product;
          sizes += std::abs(product);
        }
        const std::size_t at = r * problem.columns + j;
        errors.add(number(result[at]), expected, static_cast<double>(problem.inner + 2) * kF32 * sizes, at);
      }
    }
    EXPECT_WITHIN_ROUNDING(errors);
  }

  static constexpr std::size_t kGuard = 64;  // bytes after what a kernel may write
};

/// A product with what it needs to run.
struct Runner {
  const TiledProduct& product;
  Values<std::byte> scratchpad = Values<std::byte>(product.scratchpad_bytes());
  TiledProduct::Worker worker{runtime_of(test_engine()), product, scratchpad.data()};

  /// The tiles' values, put together to rows x columns, and the tiles one after the other.
  Values<float> run(const TiledProductProblem& problem, const void* a, std::size_t rows, const std::byte* packed,
                    const float* bias) {
    Values<float> result = untouched<float>(rows * problem.columns);
    Values<float> memory = untouched<float>(TiledProduct::tile_floats() + 16);
    const kernels::OneThread one_thread(runtime_of(test_engine()));
    worker.run(a, rows, packed, bias, memory.data(), [&](const ProductTile& tile) {
      EXPECT_EQ(tile.values, memory.data());
      EXPECT_LE(tile.columns, tile.stride);
      EXPECT_LE(tile.rows * tile.stride, TiledProduct::tile_floats());
      for (std::size_t r = 0; r < tile.rows; ++r) {
        for (std::size_t c = 0; c < tile.columns; ++c) {
          float& to = result.at((tile.first_row + r) * problem.columns + tile.first_column + c);
          EXPECT_TRUE(is_untouched(to)) << "twice: " << tile.first_row + r << ", " << tile.first_column + c;
          to = tile.values[r * tile.stride + c];
        }
      }
      const auto beyond = memory.begin() + static_cast<std::ptrdiff_t>(tile.rows * tile.stride);
      EXPECT_TRUE(std::all_of(beyond, memory.end(), is_untouched<float>)) << "beyond the tile's last row";
      memory.assign(memory.size(), untouched<float>(1).front());
      tiles.push_back(tile);
    });
    return result;
  }

  std::vector<ProductTile> tiles = {};
};

template <class Storage>
void check(ProductKernels products) {
  for (const Sizes& sizes : kSizes) {
    for (const bool bias : {true, false}) {
      for (const bool transposed : {true, false}) {
        SCOPED_TRACE(fmt::format("{} x {} x {}{}{}", sizes.rows, sizes.channels, sizes.inner, bias ? ", bias" : "",
                                 transposed ? ", transposed" : ""));
        const Operands<Storage> operands(sizes, bias);
        const TiledProduct product(runtime_of(test_engine()), operands.problem, products);
        const auto a = operands.laid_out(product);
        const auto packed = operands.packed(product, transposed);
        Runner runner{product};
        operands.expect(runner.run(operands.problem, a.data(), sizes.rows, packed.data(),
                                   bias ? operands.bias_values.data() : nullptr),
                        sizes.rows);
      }
    }
  }
}

TEST(TiledProduct, ByHandWrittenKernelsMatchesPlainLoopsInF32) { check<F32Storage>(ProductKernels::hand_written); }
TEST(TiledProduct, ByOnednnMatchesPlainLoopsInF32) { check<F32Storage>(ProductKernels::onednn); }
TEST(TiledProduct, ByHandWrittenKernelsMatchesPlainLoopsInBf16) {
  if (!Engine::supports(Precision::bf16)) GTEST_SKIP() << "nothing is computed in bf16 on this CPU";
  check<Bf16Storage>(ProductKernels::hand_written);
}
TEST(TiledProduct, ByOnednnMatchesPlainLoopsInBf16) {
  if (!Engine::has_instructions(Precision::bf16)) GTEST_SKIP() << "this CPU has no bf16 instructions";
  check<Bf16Storage>(ProductKernels::onednn);
}

template <class Storage>
void check_fewer_rows() {
  const Operands<Storage> operands({.rows = 300, .channels = 40, .inner = 40}, true);
  const TiledProduct product(runtime_of(test_engine()), operands.problem, ProductKernels::hand_written);
  const auto a = operands.laid_out(product);
  const auto packed = operands.packed(product, false);
  for (const std::size_t rows : std::initializer_list<std::size_t>{300, 299, 151, 150, 7, 1}) {
    SCOPED_TRACE(rows);
    Runner runner{product};
    operands.expect(runner.run(operands.problem, a.data(), rows, packed.data(), operands.bias_values.data()), rows);
  }
}

TEST(TiledProduct, TakesTheFewerRowsOfALastSlabInF32) { check_fewer_rows<F32Storage>(); }
TEST(TiledProduct, TakesTheFewerRowsOfALastSlabInBf16) {
  if (!Engine::supports(Precision::bf16)) GTEST_SKIP() << "nothing is computed in bf16 on this CPU";
  check_fewer_rows<Bf16Storage>();
}

/// Each tile by itself, the last one first.
template <class Storage>
void check_single_tiles(ProductKernels products) {
  const Operands<Storage> operands({.rows = 300, .channels = 70, .inner = 40}, true);
  const std::size_t rows = operands.problem.rows;
  const std::size_t columns = operands.problem.columns;
  const TiledProduct product(runtime_of(test_engine()), operands.problem, products);
  const auto a = operands.laid_out(product);
  const auto packed = operands.packed(product, false);
  Runner runner{product};
  const Values<float> expected =
      runner.run(operands.problem, a.data(), rows, packed.data(), operands.bias_values.data());
  ASSERT_EQ(product.tiles(rows), runner.tiles.size());
  ASSERT_EQ(product.tiles_of_slice(rows) * product.slices(), runner.tiles.size());
  Values<float> memory(TiledProduct::tile_floats());
  const kernels::OneThread one_thread(runtime_of(test_engine()));
  for (std::size_t number = runner.tiles.size(); number-- > 0;) {
    int calls = 0;
    runner.worker.run(a.data(), rows, {number, number + 1}, packed.data(), operands.bias_values.data(), memory.data(),
                      [&](const ProductTile& tile) {
                        ++calls;
                        EXPECT_EQ(tile.first_row, runner.tiles[number].first_row);
                        EXPECT_EQ(tile.first_column, runner.tiles[number].first_column);
                        ASSERT_EQ(tile.columns, runner.tiles[number].columns);
                        ASSERT_EQ(tile.rows, runner.tiles[number].rows);
                        for (std::size_t r = 0; r < tile.rows; ++r) {
                          const float* const row = expected.data() + (tile.first_row + r) * columns + tile.first_column;
                          EXPECT_TRUE(std::equal(row, row + tile.columns, tile.values + r * tile.stride)) << r;
                        }
                      });
    EXPECT_EQ(calls, 1);
  }
}

TEST(TiledProduct, GivesTheSameTilesOneByOneInF32) {
  check_single_tiles<F32Storage>(ProductKernels::hand_written);
  check_single_tiles<F32Storage>(ProductKernels::onednn);
}
TEST(TiledProduct, GivesTheSameTilesOneByOneInBf16) {
  if (!Engine::supports(Precision::bf16)) GTEST_SKIP() << "nothing is computed in bf16 on this CPU";
  check_single_tiles<Bf16Storage>(ProductKernels::hand_written);
  if (Engine::has_instructions(Precision::bf16)) check_single_tiles<Bf16Storage>(ProductKernels::onednn);
}

/// The tiles that a product in f32 comes in: "rows x columns at row, column".
std::vector<std::string> tiles_of(ProductKernels products, std::size_t rows, std::size_t channels) {
  const Operands<F32Storage> operands({rows, channels, 8}, false);
  const TiledProduct product(runtime_of(test_engine()), operands.problem, products);
  const auto packed = operands.packed(product, false);
  Runner runner{product};
  runner.run(operands.problem, operands.laid_out(product).data(), rows, packed.data(), nullptr);
  std::vector<std::string> names;
  for (const ProductTile& tile : runner.tiles) {
    names.push_back(fmt::format("{} x {} at {}, {}", tile.rows, tile.columns, tile.first_row, tile.first_column));
  }
  return names;
}

TEST(TiledProduct, ComesInTilesOfAboutTheSameHeightColumnsAfterColumnsInF32) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(tiles_of(ProductKernels::hand_written, 256, 8), (Names{"256 x 32 at 0, 0"}));
  EXPECT_EQ(tiles_of(ProductKernels::hand_written, 257, 40),
            (Names{"129 x 32 at 0, 0", "128 x 32 at 129, 0", "129 x 32 at 0, 32", "128 x 32 at 129, 32"}));
  EXPECT_EQ(tiles_of(ProductKernels::onednn, 128, 64), (Names{"128 x 64 at 0, 0"}));
  EXPECT_EQ(tiles_of(ProductKernels::onednn, 257, 70),
            (Names{"86 x 64 at 0, 0", "86 x 64 at 86, 0", "85 x 64 at 172, 0", "86 x 32 at 0, 64", "86 x 32 at 86, 64",
                   "85 x 32 at 172, 64"}));
  EXPECT_EQ(tiles_of(ProductKernels::onednn, 5, 20), (Names{"5 x 32 at 0, 0"}));
}

}  // namespace
}  // namespace convmixer

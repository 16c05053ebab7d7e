// Products of row-major matrices against plain loops in double precision, with b packed in every way that oneDNN takes:
// which one it chooses depends on the CPU (with AMX, pairs of rows side by side), and this one may not have all.
#include "kernels/onednn/matrix_product.hpp"

#include "kernels/fused/stage_values.hpp"
#include "kernels/onednn/onednn_types.hpp"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <string>

namespace convmixer::kernels {
namespace {

using namespace testing_support;
using Tag = dnnl::memory::format_tag;

ThreadPool& pool() {
  static ThreadPool pool(1);
  return pool;
}
Runtime& runtime() {
  static Runtime runtime(pool());
  return runtime;
}

struct Sizes {
  std::size_t rows;
  std::size_t columns;
  std::size_t inner;
};
constexpr Sizes kSizes[] = {{1, 1, 1}, {17, 64, 12}, {128, 64, 256}, {33, 40, 75}, {100, 10, 257}};

/// How b may lie: plain, transposed, or in blocks of 16 rows and 16 to 64 columns, for bf16 pairs of rows side by side.
const std::map<std::string, Tag> kTags{{"plain", Tag::ab},
                                       {"transposed", Tag::ba},
                                       {"16 columns", Tag::BA16a16b},
                                       {"32 columns", Tag::BA16a32b},
                                       {"48 columns", Tag::BA16a48b},
                                       {"64 columns", Tag::BA16a64b},
                                       {"16 columns, pairs", Tag::BA16a16b2a},
                                       {"32 columns, pairs", Tag::BA16a32b2a},
                                       {"48 columns, pairs", Tag::BA16a48b2a},
                                       {"64 columns, pairs", Tag::BA16a64b2a}};

Layout layout_of_tag(const ProductProblem& problem, Tag tag) {
  const auto type = problem.type == ElementType::f32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
  return layout_of({{problem.inner, problem.columns}, type, tag});
}

template <typename T>
constexpr ElementType kTypeOf = std::is_same_v<T, float> ? ElementType::f32 : ElementType::bf16;

/// A product with random operands.
template <typename T>
struct Operands {
  Sizes sizes;
  bool dense;  ///< rows of a and dst lie side by side: oneDNN's best code wants that
  bool transposed_a = false;
  bool bias = false;
  bool accumulate = false;
  std::size_t a_stride = (transposed_a ? sizes.rows : sizes.inner) + (dense ? 0 : 5);
  std::size_t dst_stride = sizes.columns + (dense ? 0 : 3);
  Values<T> a = random_values<T>((transposed_a ? sizes.inner : sizes.rows) * a_stride, 1);
  Values<float> b = random_values<float>(sizes.inner * sizes.columns, 2);
  Values<float> bias_row = random_values<float>(sizes.columns, 3);
  Values<float> before = random_values<float>(sizes.rows * dst_stride, 4);

  [[nodiscard]] ProductProblem problem() const {
    const auto as_signed = [](std::size_t value) { return static_cast<std::int64_t>(value); };
    return {.rows = as_signed(sizes.rows),
            .columns = as_signed(sizes.columns),
            .inner = as_signed(sizes.inner),
            .type = kTypeOf<T>,
            .a_stride = as_signed(a_stride),
            .transposed_a = transposed_a,
            .dst_stride = as_signed(dst_stride),
            .bias = bias,
            .accumulate = accumulate};
  }

  [[nodiscard]] Values<float> run(const PlannedProduct& planned, const void* b_data) const {
    Values<float> dst = before;
    Values<std::byte> scratchpad(planned.scratchpad_bytes());
    Product product(runtime(), planned, scratchpad.data());
    const OneThread one_thread(runtime());
    product.run(a.data(), b_data, bias ? bias_row.data() : nullptr, dst.data());
    return dst;
  }

  /// The sum of `inner` products in f32, of numbers that are exact in `T`.
  void expect_product(const Values<float>& dst) const {
    Errors errors;
    for (std::size_t i = 0; i < sizes.rows; ++i) {
      for (std::size_t j = 0; j < dst_stride; ++j) {
        const std::size_t at = i * dst_stride + j;
        if (j >= sizes.columns) {
          ASSERT_EQ(dst[at], before[at]) << "beyond row " << i;
          continue;
        }
        double sum = (bias ? number(bias_row[j]) : 0.0) + (accumulate ? number(before[at]) : 0.0);
        double size = std::abs(number(bias_row[j])) + std::abs(number(before[at]));
        for (std::size_t k = 0; k < sizes.inner; ++k) {
          T rounded;
          assign(number(b[k * sizes.columns + j]), rounded);
          const double product = number(a[transposed_a ? k * a_stride + i : i * a_stride + k]) * number(rounded);
          sum += product;
          size += std::abs(product);
        }
        errors.add(number(dst[at]), sum, static_cast<double>(sizes.inner + 2) * kF32 * size, at);
      }
    }
    EXPECT_WITHIN_ROUNDING(errors);
  }
};

/// Runs the product with b packed as `packed` says, or as oneDNN likes; returns the implementation's name, empty if
/// oneDNN doesn't take that.
template <typename T>
std::string check_packed(const Operands<T>& operands, const Layout* packed) {
  const std::optional<PlannedProduct> planned = [&]() -> std::optional<PlannedProduct> {
    try {
      return PlannedProduct(runtime(), operands.problem(), packed);
    } catch (const Error&) {
      return std::nullopt;
    }
  }();
  if (!planned) return {};
  EXPECT_TRUE(packed == nullptr || planned->packed() == *packed);
  auto memory = untouched<std::byte>(planned->packed().bytes());
  Packing packing(runtime(), *planned, operands.b.data(), static_cast<std::int64_t>(operands.sizes.columns), 1,
                  memory.data());
  {
    const OneThread one_thread(runtime());
    packing.run();
  }
  operands.expect_product(operands.run(*planned, memory.data()));
  return planned->implementation();
}

template <typename T>
void check_every_packing() {
  std::map<std::string, std::set<std::string>> taken;
  for (const Sizes& sizes : kSizes) {
    for (const bool dense : {true, false}) {
      const Operands<T> operands{.sizes = sizes, .dense = dense, .bias = dense};
      SCOPED_TRACE(fmt::format("{} x {} x {}{}", sizes.rows, sizes.inner, sizes.columns, dense ? "" : ", rows apart"));
      EXPECT_NE(check_packed(operands, nullptr), "");
      for (const auto& [name, tag] : kTags) {
        SCOPED_TRACE(name);
        const Layout packed = layout_of_tag(operands.problem(), tag);
        const std::string implementation = check_packed(operands, &packed);
        if (!implementation.empty()) taken[name].insert(implementation);
      }
    }
  }
  EXPECT_TRUE(taken.contains("plain"));
  EXPECT_TRUE(taken.contains("transposed"));
  for (const auto& [name, implementations] : taken) {  // for whom --gtest_output=xml asks
    testing::Test::RecordProperty("with " + name, fmt::format("{}", fmt::join(implementations, ", ")));
  }
}

TEST(MatrixProduct, IsTheSameHoweverItsWeightsArePackedInF32) { check_every_packing<float>(); }
TEST(MatrixProduct, IsTheSameHoweverItsWeightsArePackedInBf16) {
  if (!onednn_has_bf16()) GTEST_SKIP() << "this CPU has no bf16 instructions";
  check_every_packing<Bf16>();
}

/// b as weight gradients and the head read it: not packed, rows some elements apart.
template <typename T>
void check_row_major() {
  for (const Sizes& sizes : kSizes) {
    for (const bool transposed_a : {false, true}) {
      for (const bool accumulate : {false, true}) {
        for (const bool dense : {true, false}) {
          SCOPED_TRACE(fmt::format("{} x {} x {}{}{}{}", sizes.rows, sizes.inner, sizes.columns,
                                   transposed_a ? ", a transposed" : "", accumulate ? ", added" : "",
                                   dense ? "" : ", rows apart"));
          const Operands<T> operands{
              .sizes = sizes, .dense = dense, .transposed_a = transposed_a, .accumulate = accumulate};
          const std::size_t stride = sizes.columns + (dense ? 0 : 7);
          Values<T> b(sizes.inner * stride);
          for (std::size_t k = 0; k < sizes.inner; ++k) {
            for (std::size_t j = 0; j < sizes.columns; ++j) {
              assign(number(operands.b[k * sizes.columns + j]), b[k * stride + j]);
            }
          }
          ProductProblem problem = operands.problem();
          problem.b_stride = static_cast<std::int64_t>(stride);
          operands.expect_product(operands.run(PlannedProduct(runtime(), problem), b.data()));
        }
      }
    }
  }
}

TEST(MatrixProduct, ReadsAndAddsRowMajorMatricesInF32) { check_row_major<float>(); }
TEST(MatrixProduct, ReadsAndAddsRowMajorMatricesInBf16) {
  if (!onednn_has_bf16()) GTEST_SKIP() << "this CPU has no bf16 instructions";
  check_row_major<Bf16>();
}

TEST(MatrixProduct, PacksMatricesThatLieTransposed) {
  const Operands<float> operands{.sizes = {33, 40, 75}, .dense = true};
  const auto& [rows, columns, inner] = operands.sizes;
  Values<float> transposed(inner * columns);
  for (std::size_t k = 0; k < inner; ++k) {
    for (std::size_t j = 0; j < columns; ++j) transposed[j * inner + k] = operands.b[k * columns + j];
  }
  const PlannedProduct planned(runtime(), operands.problem());
  auto memory = untouched<std::byte>(planned.packed().bytes());
  Packing packing(runtime(), planned, transposed.data(), 1, static_cast<std::int64_t>(inner), memory.data());
  {
    const OneThread one_thread(runtime());
    packing.run();
  }
  operands.expect_product(operands.run(planned, memory.data()));
}

}  // namespace
}  // namespace convmixer::kernels

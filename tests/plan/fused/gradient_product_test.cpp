// Weight gradients as products of pixels against plain loops in double precision: by hand-written kernels and by
// oneDNN's, with operands as the stages lay them out.
#include "plan/fused/gradient_product.hpp"

#include "kernels/fused/stage_values.hpp"
#include "plan/engine_runtime.hpp"
#include "support/test_engine.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace convmixer {
namespace {

using namespace testing_support;
using kernels::Bf16Storage;
using kernels::ElementType;
using kernels::F32Storage;
using kernels::padded_channels;

/// Whole channel blocks and others; inputs are channels or a patch's values; odd numbers of pixels.
constexpr GradientProductProblem kProblems[] = {
    {32, 32, 1, {}},   {32, 12, 49, {}},  {64, 27, 64, {}},   {64, 64, 225, {}}, {288, 75, 49, {}}, {288, 288, 81, {}},
    {32, 257, 66, {}}, {96, 40, 257, {}}, {100, 100, 49, {}}, {33, 48, 64, {}},  {80, 112, 31, {}}, {1, 1, 8, {}}};

template <class Storage>
constexpr ElementType kTypeOf = std::is_same_v<Storage, F32Storage> ? ElementType::f32 : ElementType::bf16;

/// One operand, (pixels, channels).
template <class Storage>
struct Operand {
  using Element = typename Storage::Operand;

  Operand(std::size_t pixel_count, std::size_t channel_count, std::uint64_t seed)
      : pixels(pixel_count), channels(channel_count), values(random_values<Element>(pixels * channels, seed)) {}

  std::size_t pixels;
  std::size_t channels;
  Values<Element> values;

  [[nodiscard]] double operator()(std::size_t pixel, std::size_t channel) const {
    return number(values[pixel * channels + channel]);
  }

  /// As stages write it for `product`, which may be for more pixels; 0 in the rest of a block of 32 channels.
  [[nodiscard]] Values<Element> laid_out(const GradientProduct& product) const {
    if (!product.reads_words()) return values;
    const std::size_t block_elements = product.words() * Storage::kValuesPerWord * 32;
    Values<Element> to = untouched<Element>(block_elements * padded_channels(channels) / 32);
    for (std::size_t first = 0; first < channels; first += 32) {
      Values<Element> rows(pixels * 32);
      for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
        for (std::size_t c = first; c < std::min(first + 32, channels); ++c) {
          rows[pixel * 32 + c - first] = values[pixel * channels + c];
        }
      }
      Element* const block = to.data() + first / 32 * block_elements;
      if constexpr (Storage::kValuesPerWord == 1) {
        std::copy(rows.begin(), rows.end(), block);
      } else {
        kernels::pair_rows(rows.data(), pixels, reinterpret_cast<float*>(block));
      }
    }
    return to;
  }
};

/// Runs a product over images of so many pixels, the first of which begins the sums, and compares them.
template <class Storage>
void check_sums(const GradientProductProblem& problem, ProductKernels products,
                const std::vector<std::size_t>& images) {
  kernels::Runtime& runtime = runtime_of(test_engine());
  const GradientProduct product(runtime, problem, products);
  Values<std::byte> scratchpad(product.scratchpad_bytes());
  GradientProduct::Worker worker(runtime, product, scratchpad.data());
  constexpr std::size_t kGuard = 16;
  Values<float> sums = untouched<float>(product.sums_floats() + kGuard);
  std::vector<Operand<Storage>> diff_dst;
  std::vector<Operand<Storage>> src;
  for (std::size_t i = 0; i < images.size(); ++i) {
    diff_dst.emplace_back(images[i], problem.outputs, 2 * i + 1);
    src.emplace_back(images[i], problem.inputs, 2 * i + 2);
    const kernels::OneThread one_thread(runtime);
    worker.run(diff_dst[i].laid_out(product).data(), src[i].laid_out(product).data(), images[i], sums.data(), i == 0);
  }
  Errors errors;
  for (std::size_t o = 0; o < problem.outputs; ++o) {
    for (std::size_t in = 0; in < problem.inputs; ++in) {
      double expected = 0.0;
      double sizes = 0.0;
      double terms = 2.0;
      for (std::size_t i = 0; i < images.size(); ++i) {
        for (std::size_t pixel = 0; pixel < images[i]; ++pixel) {
          const double term = diff_dst[i](pixel, o) * src[i](pixel, in);
          expected += term;
          sizes += std::abs(term);
        }
        terms += static_cast<double>(images[i] + 1);
      }
      errors.add(number(sums.at(product.at(o, in))), expected, terms * kF32 * sizes, o * problem.inputs + in);
    }
  }
  EXPECT_WITHIN_ROUNDING(errors);
  for (std::size_t i = product.sums_floats(); i < sums.size(); ++i) EXPECT_TRUE(is_untouched(sums[i]));
}

template <class Storage>
void check(ProductKernels products) {
  for (GradientProductProblem problem : kProblems) {
    problem.type = kTypeOf<Storage>;
    SCOPED_TRACE(fmt::format("{} x {} of {} pixels", problem.outputs, problem.inputs, problem.pixels));
    check_sums<Storage>(problem, products, {problem.pixels});
    check_sums<Storage>(problem, products, {problem.pixels, problem.pixels, problem.pixels});
  }
}

TEST(GradientProduct, ByHandWrittenKernelsMatchesPlainLoopsInF32) { check<F32Storage>(ProductKernels::hand_written); }
TEST(GradientProduct, ByOnednnMatchesPlainLoopsInF32) { check<F32Storage>(ProductKernels::onednn); }
TEST(GradientProduct, ByHandWrittenKernelsMatchesPlainLoopsInBf16) {
  if (!Engine::supports(Precision::bf16)) GTEST_SKIP() << "nothing is computed in bf16 on this CPU";
  check<Bf16Storage>(ProductKernels::hand_written);
}
TEST(GradientProduct, ByOnednnMatchesPlainLoopsInBf16) {
  if (!Engine::has_instructions(Precision::bf16)) GTEST_SKIP() << "this CPU has no bf16 instructions";
  check<Bf16Storage>(ProductKernels::onednn);
}

template <class Storage>
void check_last_slabs() {
  for (const std::size_t last : std::initializer_list<std::size_t>{1, 32, 61}) {
    SCOPED_TRACE(last);
    check_sums<Storage>({64, 40, 62, kTypeOf<Storage>}, ProductKernels::hand_written, {62, 62, last, 62, last});
  }
}
TEST(GradientProduct, TakesTheFewerPixelsOfALastSlabInF32) { check_last_slabs<F32Storage>(); }
TEST(GradientProduct, TakesTheFewerPixelsOfALastSlabInBf16) {
  if (!Engine::supports(Precision::bf16)) GTEST_SKIP() << "nothing is computed in bf16 on this CPU";
  check_last_slabs<Bf16Storage>();
}

TEST(GradientProduct, KeepsEachBlockOfThirtyTwoInputsTogetherInF32) {
  for (const ProductKernels products : {ProductKernels::hand_written, ProductKernels::onednn}) {
    const GradientProduct product(runtime_of(test_engine()), {64, 75, 9, ElementType::f32}, products);
    std::set<std::size_t> places;
    for (std::size_t o = 0; o < 64; ++o) {
      for (std::size_t in = 0; in < 75; ++in) {
        EXPECT_EQ(product.at(o, in), product.at(o, in / 32 * 32) + in % 32);
        places.insert(product.at(o, in));
      }
    }
    EXPECT_EQ(places.size(), 64U * 75U);
    EXPECT_LT(*places.rbegin(), product.sums_floats());
  }
}

}  // namespace
}  // namespace convmixer

/// A weight gradient from one image's pixels: diff_weights (O x I) = diff_dst' (O x pixels) src (pixels x I).
/// Sizes (channel block, word): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/panel_product.hpp"
#include "kernels/fused/stage_storage.hpp"
#include "kernels/onednn/matrix_product.hpp"
#include "plan/product_kernels.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace convmixer {

struct GradientProductProblem {
  std::size_t outputs;
  std::size_t inputs;
  std::size_t pixels;
  kernels::ElementType type;
};

class GradientProduct {
 public:
  /// `products` is hand_written or onednn.
  GradientProduct(kernels::Runtime& runtime, const GradientProductProblem& problem, ProductKernels products);

  [[nodiscard]] std::string implementation() const;
  [[nodiscard]] std::size_t scratchpad_bytes() const;

  /// True: both operands are words of pixels, (channel block, word, channel), in f32 the same as rows of 32.
  /// False: rows of `outputs` and of `inputs` elements.
  [[nodiscard]] bool reads_words() const { return is_hand_written(); }
  [[nodiscard]] std::size_t words() const;  ///< of a channel block

  /// Floats of a sum over images, and where in them weight (o, i) is; 32 inputs from a multiple of 32 on lie together.
  [[nodiscard]] std::size_t sums_floats() const;
  [[nodiscard]] std::size_t at(std::size_t output, std::size_t input) const {
    return is_hand_written() ? (input / kernels::kChannelBlock * problem_.outputs + output) * kernels::kChannelBlock +
                                   input % kernels::kChannelBlock
                             : output * problem_.inputs + input;
  }

  /// What one worker needs to run it.
  class Worker {
   public:
    Worker(kernels::Runtime& runtime, const GradientProduct& product, void* scratchpad);
    /// Under kernels::OneThread. Adds to the sums, unless it is the `first`. Hand-written kernels take fewer `pixels`
    /// than the problem has, too.
    void run(const void* diff_dst, const void* src, std::size_t pixels, float* sums, bool first);

   private:
    template <class Storage>
    void run_hand_written(const float* diff_dst, const float* src, std::size_t pixels, float* sums, bool first) const;

    const GradientProduct* product_;
    std::optional<kernels::Product> first_;
    std::optional<kernels::Product> next_;
  };

 private:
  [[nodiscard]] bool is_hand_written() const { return !first_; }

  GradientProductProblem problem_;
  std::optional<kernels::PlannedProduct> first_;  // oneDNN's; none if hand-written ones run
  std::optional<kernels::PlannedProduct> next_;
};

}  // namespace convmixer

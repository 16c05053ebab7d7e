/// What adds to tokens, or takes means of them: (N, T, D) row-major f32, value by value. oneDNN has no primitive for
/// these gradients; they are a thousandth of the work, and are summed in double, in a fixed order.
#pragma once

#include "kernels/onednn/onednn.hpp"

#include <cstdint>

namespace convmixer::kernels {

/// N images of T tokens of D features.
struct TokenShape {
  std::int64_t images;
  std::int64_t tokens;
  std::int64_t features;
};

/// dst[n] = src[n] + addend, addend (T, D). dst may be src.
void add_to_each_image(Runtime& runtime, const TokenShape& shape, const float* src, const float* addend, float* dst);

/// sum (T', D) = sum over n of the first T' tokens of src[n]; T' is `tokens`.
void sum_over_images(Runtime& runtime, const TokenShape& shape, std::int64_t tokens, const float* src, float* sum);

/// dst (N, T + 1, D): `token` (D), then src's tokens (`shape`).
void prepend_token(Runtime& runtime, const TokenShape& shape, const float* token, const float* src, float* dst);
/// dst (N, T, D): src (`shape`, T + 1 tokens) without each image's first token.
void drop_first_token(Runtime& runtime, const TokenShape& shape, const float* src, float* dst);

/// dst (N, D) = mean over the tokens [begin, end) of src.
void token_mean(Runtime& runtime, const TokenShape& shape, std::int64_t begin, std::int64_t end, const float* src,
                float* dst);
/// diff_src[n, t] = diff_dst[n] / (end - begin) for t in [begin, end), else 0.
void token_mean_gradient(Runtime& runtime, const TokenShape& shape, std::int64_t begin, std::int64_t end,
                         const float* diff_dst, float* diff_src);

}  // namespace convmixer::kernels

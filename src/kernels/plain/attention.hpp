/// Scaled dot-product attention with heads, forward and gradient, as hand-written kernels: Vaswani et al., arXiv
/// 1706.03762.
///
/// Why not oneDNN's matmul and softmax: between them the T x T scores of all heads would go through memory, several
/// times in each direction, and its version 2 has no fast code for operands that lie as heads do in the tensor of
/// queries, keys and values. Here a task takes a head of an image, some rows at a time, in one core's cache; backward
/// computes the scores again from the sums that forward kept (as Dao et al., arXiv 2205.14135), so that nothing of size
/// T x T is kept. Products are f32's in every plan: with bf16 operands that is more exact than asked, and they are a
/// small part of a network's work.
#pragma once

#include "kernels/plain/typed_values.hpp"

#include <cstddef>
#include <cstdint>

namespace convmixer::kernels {

/// N images of T tokens; H heads of F features each. Queries, keys and values are (N, T, 3, H, F), results (N, T, H,
/// F), both row-major, f32 or bf16.
struct AttentionShape {
  std::int64_t images;
  std::int64_t tokens;
  std::int64_t heads;
  std::int64_t features;
};

/// Number of doubles that the kernels need as working memory on this runtime's threads.
[[nodiscard]] std::size_t attention_doubles(const Runtime& runtime, const AttentionShape& shape);

/// With q, k, v (T, F) of a head: dst = softmax(q k^T / sqrt(F)) v, softmax over each row. Writes log_sums (N, H, T):
/// the logarithm of the sum of exp(score) over each row, which backward needs.
void attention(Runtime& runtime, const AttentionShape& shape, const ReadValues& qkv, const WrittenValues& dst,
               float* log_sums, double* working);

/// With P = softmax(q k^T / sqrt(F)) = exp(scores - log_sums):
///   dv = P^T dy,  dP = dy v^T,  dS = P (dP - the row's sum of P dP),  dq = dS k / sqrt(F),  dk = dS^T q / sqrt(F).
/// diff_qkv is shaped and ordered as qkv.
void attention_gradient(Runtime& runtime, const AttentionShape& shape, const ReadValues& qkv,
                        const ReadValues& diff_dst, const float* log_sums, const WrittenValues& diff_qkv,
                        double* working);

}  // namespace convmixer::kernels

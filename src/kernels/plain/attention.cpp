#include "kernels/plain/attention.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

// Everything between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE is compiled once for each instruction set: Highway
// includes this file again for each. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/plain/attention.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
#include "kernels/plain/element-inl.h"
#include "kernels/plain/small_product-inl.h"
#include "kernels/plain/transpose-inl.h"
// clang-format on

#ifndef CONVMIXER_ATTENTION_TYPES
#define CONVMIXER_ATTENTION_TYPES
namespace convmixer::kernels {

inline constexpr std::size_t kVectorFloats = 16;
[[nodiscard]] constexpr std::size_t whole_vectors(std::size_t count) {
  return (count + kVectorFloats - 1) / kVectorFloats * kVectorFloats;
}

/// One head's sizes, and where its queries, keys, values and results are in the tensors of one image.
struct HeadShape {
  explicit HeadShape(const AttentionShape& shape)
      : tokens(static_cast<std::size_t>(shape.tokens)),
        features(static_cast<std::size_t>(shape.features)),
        heads(static_cast<std::size_t>(shape.heads)),
        padded_tokens(whole_vectors(tokens)),
        padded_features(whole_vectors(features)) {
    constexpr std::size_t kMostRows = 96;  // their scores stay in the cache
    const std::size_t blocks = (tokens + kMostRows - 1) / kMostRows;
    rows = (tokens + blocks - 1) / blocks;
  }

  /// Of a token's first value in the tensor of results.
  [[nodiscard]] std::size_t in_result(std::size_t image, std::size_t head, std::size_t token) const {
    return ((image * tokens + token) * heads + head) * features;
  }
  /// Likewise in that of queries (part 0), keys (1) and values (2).
  [[nodiscard]] std::size_t in_operand(std::size_t image, std::size_t head, std::size_t token, std::size_t part) const {
    return (((image * tokens + token) * 3 + part) * heads + head) * features;
  }

  std::size_t tokens;
  std::size_t features;
  std::size_t heads;
  std::size_t padded_tokens;    ///< to whole vectors
  std::size_t padded_features;  ///< likewise
  std::size_t rows = 0;         ///< of scores, taken at a time
};

/// What a head is computed in. Matrices by token have padded_features columns, those by feature padded_tokens, and so
/// do the scores; what pads them is 0.
struct HeadScratch {
  HeadScratch(const HeadShape& shape, float* memory) {
    const std::size_t by_token = shape.tokens * shape.padded_features;
    const std::size_t by_feature = shape.features * shape.padded_tokens;
    const std::size_t of_rows = shape.rows * shape.padded_tokens;
    for (float** matrix : {&queries, &keys, &values, &gradients, &diff_keys, &diff_values}) {
      *matrix = memory;
      memory += by_token;
    }
    for (float** matrix : {&transposed_keys, &transposed_values}) {
      *matrix = memory;
      memory += by_feature;
    }
    for (float** matrix : {&scores, &diff_scores}) {
      *matrix = memory;
      memory += of_rows;
    }
    results = memory;
  }
  [[nodiscard]] static std::size_t floats(const HeadShape& shape) {
    return whole_vectors((6 * shape.tokens + shape.rows) * shape.padded_features +
                         2 * (shape.features + shape.rows) * shape.padded_tokens);
  }

  float* queries;  ///< times 1 / sqrt(F)
  float* keys;
  float* values;
  float* gradients;  ///< of the results
  float* diff_keys;
  float* diff_values;
  float* transposed_keys;
  float* transposed_values;
  float* scores;
  float* diff_scores;
  float* results;  ///< of some rows
};

}  // namespace convmixer::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, kVectorFloats>;

/// A row as f32 times `factor`, padded with zeros.
template <typename Element>
HWY_INLINE void read_row(const Element* from, std::size_t features, float factor, float* to) {
  const Floats d;
  const std::size_t whole = features / hn::Lanes(d) * hn::Lanes(d);
  for (std::size_t f = 0; f < whole; f += hn::Lanes(d))
    hn::StoreU(hn::Mul(load(d, from + f), hn::Set(d, factor)), d, to + f);
  for (std::size_t f = whole; f < features; ++f) to[f] = to_float(from[f]) * factor;
  std::fill(to + features, to + whole_vectors(features), 0.0F);
}

template <typename Element>
HWY_INLINE void write_row(const float* from, std::size_t features, float factor, Element* to) {
  const Floats d;
  const std::size_t whole = features / hn::Lanes(d) * hn::Lanes(d);
  for (std::size_t f = 0; f < whole; f += hn::Lanes(d))
    store(hn::Mul(hn::LoadU(d, from + f), hn::Set(d, factor)), d, to + f);
  for (std::size_t f = whole; f < features; ++f) from_float(from[f] * factor, to[f]);
}

/// One of a head's operands, by token.
void read_operand(const HeadShape& shape, std::size_t image, std::size_t head, std::size_t part, float factor,
                  const ReadValues& qkv, float* to) {
  with_elements(qkv, [&](const auto* from) HWY_ATTR {
    for (std::size_t t = 0; t < shape.tokens; ++t)
      read_row(from + shape.in_operand(image, head, t, part), shape.features, factor, to + t * shape.padded_features);
  });
}

void write_operand(const HeadShape& shape, std::size_t image, std::size_t head, std::size_t part, std::size_t first,
                   std::size_t count, float factor, const float* from, const WrittenValues& qkv) {
  with_elements(qkv, [&](auto* to) HWY_ATTR {
    for (std::size_t i = 0; i < count; ++i)
      write_row(from + i * shape.padded_features, shape.features, factor,
                to + shape.in_operand(image, head, first + i, part));
  });
}

/// From a matrix by token to one by feature.
void transpose_operand(const HeadShape& shape, const float* by_token, float* by_feature) {
  transpose_matrix(shape.tokens, shape.features, by_token, shape.padded_features, by_feature, shape.padded_tokens);
  for (std::size_t f = 0; f < shape.features; ++f)
    std::fill(by_feature + f * shape.padded_tokens + shape.tokens, by_feature + (f + 1) * shape.padded_tokens, 0.0F);
}

/// The largest of a row's scores.
HWY_INLINE float largest_of_row(const HeadShape& shape, const float* scores) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  if (shape.tokens < lanes) return *std::max_element(scores, scores + shape.tokens);
  auto largest = hn::LoadU(d, scores + shape.tokens - lanes);  // the last ones, some of them twice
  for (std::size_t t = 0; t + lanes <= shape.tokens; t += lanes) largest = hn::Max(largest, hn::LoadU(d, scores + t));
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

/// Turns a row of scores into probabilities, and returns the logarithm of the sum of their exponentials.
float softmax_row(const HeadShape& shape, float* scores) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  const float largest = largest_of_row(shape, scores);
  auto sums = hn::Zero(d);
  for (std::size_t t = 0; t < shape.padded_tokens; t += lanes) {
    const auto power = hn::Exp(d, hn::Sub(hn::LoadU(d, scores + t), hn::Set(d, largest)));
    const auto is_token = hn::FirstN(d, t < shape.tokens ? std::min(lanes, shape.tokens - t) : 0);
    const auto kept = hn::IfThenElseZero(is_token, power);
    hn::StoreU(kept, d, scores + t);
    sums = hn::Add(sums, kept);
  }
  const float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  const auto share = hn::Set(d, 1.0F / sum);
  for (std::size_t t = 0; t < shape.padded_tokens; t += lanes)
    hn::StoreU(hn::Mul(hn::LoadU(d, scores + t), share), d, scores + t);
  return largest + std::log(sum);
}

/// The same probabilities from the logarithm that softmax_row returned.
void probabilities_row(const HeadShape& shape, float log_sum, float* scores) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t t = 0; t < shape.padded_tokens; t += lanes) {
    const auto power = hn::Exp(d, hn::Sub(hn::LoadU(d, scores + t), hn::Set(d, log_sum)));
    const auto is_token = hn::FirstN(d, t < shape.tokens ? std::min(lanes, shape.tokens - t) : 0);
    hn::StoreU(hn::IfThenElseZero(is_token, power), d, scores + t);
  }
}

/// diff_scores = probabilities (diff_scores - the row's sum of probabilities diff_scores).
void softmax_gradient_row(const HeadShape& shape, const float* probabilities, float* diff_scores) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  auto sums = hn::Zero(d);
  for (std::size_t t = 0; t < shape.padded_tokens; t += lanes)
    sums = hn::MulAdd(hn::LoadU(d, probabilities + t), hn::LoadU(d, diff_scores + t), sums);
  const auto mean = hn::Set(d, hn::GetLane(hn::SumOfLanes(d, sums)));
  for (std::size_t t = 0; t < shape.padded_tokens; t += lanes) {
    const auto difference = hn::Sub(hn::LoadU(d, diff_scores + t), mean);
    hn::StoreU(hn::Mul(hn::LoadU(d, probabilities + t), difference), d, diff_scores + t);
  }
}

/// Scores of the rows from `first` on.
void score_rows(const HeadShape& shape, const HeadScratch& scratch, std::size_t first, std::size_t rows) {
  small_product(rows, shape.padded_tokens, shape.features,
                {scratch.queries + first * shape.padded_features, shape.padded_features, 1},
                {scratch.transposed_keys, shape.padded_tokens}, scratch.scores, shape.padded_tokens, Sum::begin);
}

void attention_of_head(const HeadShape& shape, std::size_t image, std::size_t head, const ReadValues& qkv,
                       const WrittenValues& dst, float* log_sums, float* memory) {
  const HeadScratch scratch(shape, memory);
  const float factor = 1.0F / std::sqrt(static_cast<float>(shape.features));
  read_operand(shape, image, head, 0, factor, qkv, scratch.queries);
  read_operand(shape, image, head, 1, 1.0F, qkv, scratch.keys);
  read_operand(shape, image, head, 2, 1.0F, qkv, scratch.values);
  transpose_operand(shape, scratch.keys, scratch.transposed_keys);
  for (std::size_t first = 0; first < shape.tokens; first += shape.rows) {
    const std::size_t rows = std::min(shape.rows, shape.tokens - first);
    score_rows(shape, scratch, first, rows);
    for (std::size_t i = 0; i < rows; ++i)
      log_sums[first + i] = softmax_row(shape, scratch.scores + i * shape.padded_tokens);
    small_product(rows, shape.padded_features, shape.tokens, {scratch.scores, shape.padded_tokens, 1},
                  {scratch.values, shape.padded_features}, scratch.results, shape.padded_features, Sum::begin);
    with_elements(dst, [&](auto* to) HWY_ATTR {
      for (std::size_t i = 0; i < rows; ++i)
        write_row(scratch.results + i * shape.padded_features, shape.features, 1.0F,
                  to + shape.in_result(image, head, first + i));
    });
  }
}

/// Gradients by the rows from `first` on: dq is complete, dk and dv have their part added.
void gradient_of_rows(const HeadShape& shape, const HeadScratch& scratch, std::size_t first, std::size_t rows,
                      const float* log_sums) {
  const std::size_t at = first * shape.padded_features;
  const Sum sum = first == 0 ? Sum::begin : Sum::add;
  score_rows(shape, scratch, first, rows);
  for (std::size_t i = 0; i < rows; ++i)
    probabilities_row(shape, log_sums[first + i], scratch.scores + i * shape.padded_tokens);
  small_product(shape.tokens, shape.padded_features, rows, {scratch.scores, 1, shape.padded_tokens},
                {scratch.gradients + at, shape.padded_features}, scratch.diff_values, shape.padded_features, sum);
  small_product(rows, shape.padded_tokens, shape.features, {scratch.gradients + at, shape.padded_features, 1},
                {scratch.transposed_values, shape.padded_tokens}, scratch.diff_scores, shape.padded_tokens, Sum::begin);
  for (std::size_t i = 0; i < rows; ++i)
    softmax_gradient_row(shape, scratch.scores + i * shape.padded_tokens,
                         scratch.diff_scores + i * shape.padded_tokens);
  small_product(rows, shape.padded_features, shape.tokens, {scratch.diff_scores, shape.padded_tokens, 1},
                {scratch.keys, shape.padded_features}, scratch.results, shape.padded_features, Sum::begin);
  small_product(shape.tokens, shape.padded_features, rows, {scratch.diff_scores, 1, shape.padded_tokens},
                {scratch.queries + at, shape.padded_features}, scratch.diff_keys, shape.padded_features, sum);
}

void attention_gradient_of_head(const HeadShape& shape, std::size_t image, std::size_t head, const ReadValues& qkv,
                                const ReadValues& diff_dst, const float* log_sums, const WrittenValues& diff_qkv,
                                float* memory) {
  const HeadScratch scratch(shape, memory);
  const float factor = 1.0F / std::sqrt(static_cast<float>(shape.features));
  read_operand(shape, image, head, 0, factor, qkv, scratch.queries);
  read_operand(shape, image, head, 1, 1.0F, qkv, scratch.keys);
  read_operand(shape, image, head, 2, 1.0F, qkv, scratch.values);
  transpose_operand(shape, scratch.keys, scratch.transposed_keys);
  transpose_operand(shape, scratch.values, scratch.transposed_values);
  with_elements(diff_dst, [&](const auto* from) HWY_ATTR {
    for (std::size_t t = 0; t < shape.tokens; ++t)
      read_row(from + shape.in_result(image, head, t), shape.features, 1.0F,
               scratch.gradients + t * shape.padded_features);
  });
  for (std::size_t first = 0; first < shape.tokens; first += shape.rows) {
    const std::size_t rows = std::min(shape.rows, shape.tokens - first);
    gradient_of_rows(shape, scratch, first, rows, log_sums);
    write_operand(shape, image, head, 0, first, rows, factor, scratch.results, diff_qkv);
  }
  write_operand(shape, image, head, 1, 0, shape.tokens, 1.0F, scratch.diff_keys, diff_qkv);
  write_operand(shape, image, head, 2, 0, shape.tokens, 1.0F, scratch.diff_values, diff_qkv);
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

HWY_EXPORT(attention_of_head);
HWY_EXPORT(attention_gradient_of_head);

namespace {

/// Calls body(image, head, memory, number of the head among all) for every head, each thread in memory of its own.
template <typename Body>
void for_each_head(Runtime& runtime, const AttentionShape& shape, double* working, const Body& body) {
  const std::size_t floats = HeadScratch::floats(HeadShape(shape));
  std::atomic<std::int64_t> next{0};
  runtime.for_each_thread([&](int thread) {
    float* const memory = reinterpret_cast<float*>(working) + floats * static_cast<std::size_t>(thread);
    for (std::int64_t i = next++; i < shape.images * shape.heads; i = next++)
      body(static_cast<std::size_t>(i / shape.heads), static_cast<std::size_t>(i % shape.heads), memory,
           static_cast<std::size_t>(i));
  });
}

}  // namespace

std::size_t attention_doubles(const Runtime& runtime, const AttentionShape& shape) {
  return HeadScratch::floats(HeadShape(shape)) / 2 * static_cast<std::size_t>(runtime.threads());
}

void attention(Runtime& runtime, const AttentionShape& shape, const ReadValues& qkv, const WrittenValues& dst,
               float* log_sums, double* working) {
  const HeadShape head_shape(shape);
  for_each_head(runtime, shape, working, [&](std::size_t image, std::size_t head, float* memory, std::size_t number) {
    HWY_DYNAMIC_DISPATCH(attention_of_head)
    (head_shape, image, head, qkv, dst, log_sums + number * head_shape.tokens, memory);
  });
}

void attention_gradient(Runtime& runtime, const AttentionShape& shape, const ReadValues& qkv,
                        const ReadValues& diff_dst, const float* log_sums, const WrittenValues& diff_qkv,
                        double* working) {
  const HeadShape head_shape(shape);
  for_each_head(runtime, shape, working, [&](std::size_t image, std::size_t head, float* memory, std::size_t number) {
    HWY_DYNAMIC_DISPATCH(attention_gradient_of_head)
    (head_shape, image, head, qkv, diff_dst, log_sums + number * head_shape.tokens, diff_qkv, memory);
  });
}

}  // namespace convmixer::kernels
#endif

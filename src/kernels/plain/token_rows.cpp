#include "kernels/plain/token_rows.hpp"

#include <algorithm>
#include <array>

namespace convmixer::kernels {

namespace {

constexpr std::int64_t kPart = 1024;  // values of a task that sums over images

}  // namespace

void add_to_each_image(Runtime& runtime, const TokenShape& shape, const float* src, const float* addend, float* dst) {
  const std::int64_t values = shape.tokens * shape.features;
  runtime.parallel_for(shape.images, [&](std::int64_t image) {
    const float* const x = src + image * values;
    float* const y = dst + image * values;
    for (std::int64_t i = 0; i < values; ++i) y[i] = x[i] + addend[i];
  });
}

void sum_over_images(Runtime& runtime, const TokenShape& shape, std::int64_t tokens, const float* src, float* sum) {
  const std::int64_t image_values = shape.tokens * shape.features;
  const std::int64_t values = tokens * shape.features;
  runtime.parallel_for((values + kPart - 1) / kPart, [&](std::int64_t part) {
    const std::int64_t first = part * kPart;
    const std::int64_t count = std::min(kPart, values - first);
    std::array<double, kPart> sums{};
    for (std::int64_t image = 0; image < shape.images; ++image) {
      const float* const from = src + image * image_values + first;
      for (std::int64_t i = 0; i < count; ++i) sums[static_cast<std::size_t>(i)] += static_cast<double>(from[i]);
    }
    for (std::int64_t i = 0; i < count; ++i) sum[first + i] = static_cast<float>(sums[static_cast<std::size_t>(i)]);
  });
}

void prepend_token(Runtime& runtime, const TokenShape& shape, const float* token, const float* src, float* dst) {
  const std::int64_t values = shape.tokens * shape.features;
  runtime.parallel_for(shape.images, [&](std::int64_t image) {
    float* const to = dst + image * (values + shape.features);
    std::copy_n(token, shape.features, to);
    std::copy_n(src + image * values, values, to + shape.features);
  });
}

void drop_first_token(Runtime& runtime, const TokenShape& shape, const float* src, float* dst) {
  const std::int64_t values = (shape.tokens - 1) * shape.features;
  runtime.parallel_for(shape.images, [&](std::int64_t image) {
    std::copy_n(src + image * (values + shape.features) + shape.features, values, dst + image * values);
  });
}

void token_mean(Runtime& runtime, const TokenShape& shape, std::int64_t begin, std::int64_t end, const float* src,
                float* dst) {
  runtime.parallel_for(shape.images, [&](std::int64_t image) {
    const auto count = static_cast<double>(end - begin);
    for (std::int64_t first = 0; first < shape.features; first += kPart) {
      const std::int64_t features = std::min(kPart, shape.features - first);
      std::array<double, kPart> sums{};
      for (std::int64_t token = begin; token < end; ++token) {
        const float* const from = src + (image * shape.tokens + token) * shape.features + first;
        for (std::int64_t i = 0; i < features; ++i) sums[static_cast<std::size_t>(i)] += static_cast<double>(from[i]);
      }
      float* const to = dst + image * shape.features + first;
      for (std::int64_t i = 0; i < features; ++i) to[i] = static_cast<float>(sums[static_cast<std::size_t>(i)] / count);
    }
  });
}

void token_mean_gradient(Runtime& runtime, const TokenShape& shape, std::int64_t begin, std::int64_t end,
                         const float* diff_dst, float* diff_src) {
  const float share = 1.0F / static_cast<float>(end - begin);
  runtime.parallel_for(shape.images, [&](std::int64_t image) {
    const float* const dy = diff_dst + image * shape.features;
    float* const dx = diff_src + image * shape.tokens * shape.features;
    std::fill_n(dx, shape.tokens * shape.features, 0.0F);
    for (std::int64_t token = begin; token < end; ++token) {
      for (std::int64_t i = 0; i < shape.features; ++i) dx[token * shape.features + i] = dy[i] * share;
    }
  });
}

}  // namespace convmixer::kernels

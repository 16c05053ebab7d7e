#include "plan/fused/gradient_product.hpp"

#include <algorithm>

namespace convmixer {

using kernels::ElementType;
using kernels::kChannelBlock;

GradientProduct::GradientProduct(kernels::Runtime& runtime, const GradientProductProblem& problem,
                                 ProductKernels products)
    : problem_(problem) {
  if (products == ProductKernels::hand_written) return;
  const auto plan = [&](bool accumulate) {
    return kernels::PlannedProduct(runtime, {.rows = static_cast<std::int64_t>(problem.outputs),
                                             .columns = static_cast<std::int64_t>(problem.inputs),
                                             .inner = static_cast<std::int64_t>(problem.pixels),
                                             .type = problem.type,
                                             .a_stride = static_cast<std::int64_t>(problem.outputs),
                                             .transposed_a = true,
                                             .b_stride = static_cast<std::int64_t>(problem.inputs),
                                             .dst_stride = static_cast<std::int64_t>(problem.inputs),
                                             .accumulate = accumulate});
  };
  first_ = plan(false);
  next_ = plan(true);
}

std::string GradientProduct::implementation() const {
  return is_hand_written() ? "hand-written" : next_->implementation();
}

std::size_t GradientProduct::scratchpad_bytes() const {
  return is_hand_written() ? 0 : std::max(first_->scratchpad_bytes(), next_->scratchpad_bytes());
}

std::size_t GradientProduct::words() const {
  return problem_.type == ElementType::f32 ? problem_.pixels : kernels::words_of<kernels::Bf16Storage>(problem_.pixels);
}

std::size_t GradientProduct::sums_floats() const {
  return problem_.outputs * (is_hand_written() ? kernels::padded_channels(problem_.inputs) : problem_.inputs);
}

GradientProduct::Worker::Worker(kernels::Runtime& runtime, const GradientProduct& product, void* scratchpad)
    : product_(&product) {
  if (product.is_hand_written()) return;
  first_.emplace(runtime, *product.first_, scratchpad);
  next_.emplace(runtime, *product.next_, scratchpad);
}

void GradientProduct::Worker::run(const void* diff_dst, const void* src, std::size_t pixels, float* sums, bool first) {
  if (!product_->is_hand_written()) {
    (first ? *first_ : *next_).run(diff_dst, src, nullptr, sums);
  } else if (product_->problem_.type == ElementType::f32) {
    run_hand_written<kernels::F32Storage>(static_cast<const float*>(diff_dst), static_cast<const float*>(src), pixels,
                                          sums, first);
  } else {
    run_hand_written<kernels::Bf16Storage>(static_cast<const float*>(diff_dst), static_cast<const float*>(src), pixels,
                                           sums, first);
  }
}

template <class Storage>
void GradientProduct::Worker::run_hand_written(const float* diff_dst, const float* src, std::size_t pixels, float* sums,
                                               bool first) const {
  const GradientProductProblem& p = product_->problem_;
  const std::size_t words = product_->words();
  // Panels of inputs outside: one of them and one of outputs fit into the first-level cache.
  for (std::size_t input = 0; input < p.inputs; input += kChannelBlock) {
    for (std::size_t output = 0; output < p.outputs; output += kChannelBlock) {
      kernels::multiply_columns<Storage>({.a = diff_dst + output * words,
                                          .b = src + input * words,
                                          .words = kernels::words_of<Storage>(pixels),
                                          .accumulate = !first,
                                          .rows = std::min(kChannelBlock, p.outputs - output),
                                          .columns = std::min(kChannelBlock, p.inputs - input),
                                          .dst = sums + product_->at(output, input)});
    }
  }
}

}  // namespace convmixer

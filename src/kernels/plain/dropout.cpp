#include "kernels/plain/dropout.hpp"

#include "convmixer/core/rng.hpp"
#include "kernels/plain/channel_group.hpp"
#include "kernels/plain/tensor_view.hpp"

#include <cstddef>
#include <cstring>

// Everything between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE is compiled once for each instruction set: Highway
// includes this file again for each. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/plain/dropout.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "kernels/plain/element-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <typename Element>
void scale_values(const Element* src, Element* dst, std::size_t count, float factor) {
  const hn::CappedTag<float, kGroup> d;
  const hn::CappedTag<float, 1> one;
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) store(hn::Mul(load(d, src + i), hn::Set(d, factor)), d, dst + i);
  for (; i < count; ++i) store(hn::Mul(load(one, src + i), hn::Set(one, factor)), one, dst + i);
}

void scale_f32(const float* src, float* dst, std::size_t count, float factor) { scale_values(src, dst, count, factor); }
void scale_bf16(const std::uint16_t* src, std::uint16_t* dst, std::size_t count, float factor) {
  scale_values(src, dst, count, factor);
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

HWY_EXPORT(scale_f32);
HWY_EXPORT(scale_bf16);

namespace {

/// Whether the next of an image's numbers drops something.
class Draw {
 public:
  Draw(const DropoutProblem& problem, std::int64_t image)
      : rng_(problem.seed, RandomStream::dropout, static_cast<std::uint32_t>(problem.update),
             static_cast<std::uint32_t>(problem.first_image + image)),
        below_(static_cast<std::uint64_t>(static_cast<double>(problem.rate) * 0x1p32)) {}

  [[nodiscard]] bool drops() { return rng_.next() < below_; }

 private:
  Rng rng_;
  std::uint64_t below_;
};

/// Values that lie `stride` elements apart.
template <typename Element>
void drop_row(Draw& draw, const Element* src, Element* dst, std::size_t count, std::size_t stride, float factor) {
  for (std::size_t i = 0; i < count; ++i)
    from_float(draw.drops() ? 0.0F : to_float(src[i * stride]) * factor, dst[i * stride]);
}

template <typename Element>
void drop_values_of(const Layout& layout, const DropoutProblem& problem, std::int64_t image, const Element* src,
                    Element* dst) {
  const float factor = 1.0F / (1.0F - problem.rate);
  Draw draw(problem, image);
  if (layout.shape().rank() != 4) {
    const auto count = static_cast<std::size_t>(layout.shape().count() / layout.shape()[0]);
    const std::size_t first = static_cast<std::size_t>(image) * count;
    drop_row(draw, src + first, dst + first, count, 1, factor);
    return;
  }
  const TensorView view(layout);
  for (std::int64_t channel = 0; channel < view.channels; ++channel) {
    const std::size_t first = view.offset(image, channel);
    drop_row(draw, src + first, dst + first, view.rows, view.row_stride, factor);
  }
  // What fills the last block up stays 0.
  for (std::int64_t channel = view.channels; view.block != 0 && channel % static_cast<std::int64_t>(view.block) != 0;
       ++channel)
    for (std::size_t row = 0; row < view.rows; ++row)
      from_float(0.0F, dst[view.offset(image, channel) + row * view.row_stride]);
}

}  // namespace

std::uint64_t dropout_seed(std::uint64_t seed, int tensor) {
  Rng rng(seed, RandomStream::dropout, static_cast<std::uint32_t>(tensor));
  const std::uint64_t upper = rng.next();
  return upper << 32 | rng.next();
}

void drop_values(Runtime& runtime, const Layout& layout, const DropoutProblem& problem, const void* src, void* dst) {
  runtime.parallel_for(layout.shape()[0], [&](std::int64_t image) {
    if (layout.type() == ElementType::f32) {
      drop_values_of(layout, problem, image, static_cast<const float*>(src), static_cast<float*>(dst));
    } else {
      drop_values_of(layout, problem, image, static_cast<const std::uint16_t*>(src), static_cast<std::uint16_t*>(dst));
    }
  });
}

void drop_images(Runtime& runtime, const Layout& layout, const DropoutProblem& problem, const void* src, void* dst) {
  const float factor = 1.0F / (1.0F - problem.rate);
  const std::size_t bytes = layout.bytes() / static_cast<std::size_t>(layout.shape()[0]);  // images come first in all
  runtime.parallel_for(layout.shape()[0], [&](std::int64_t image) {
    const std::size_t first = static_cast<std::size_t>(image) * bytes;
    const std::byte* const from = static_cast<const std::byte*>(src) + first;
    std::byte* const to = static_cast<std::byte*>(dst) + first;
    if (Draw(problem, image).drops()) {
      std::memset(to, 0, bytes);
    } else if (layout.type() == ElementType::f32) {
      HWY_DYNAMIC_DISPATCH(scale_f32)
      (reinterpret_cast<const float*>(from), reinterpret_cast<float*>(to), bytes / sizeof(float), factor);
    } else {
      HWY_DYNAMIC_DISPATCH(scale_bf16)
      (reinterpret_cast<const std::uint16_t*>(from), reinterpret_cast<std::uint16_t*>(to),
       bytes / sizeof(std::uint16_t), factor);
    }
  });
}

}  // namespace convmixer::kernels
#endif

#include "tensor.hpp"

#include "convmixer/core/precision.hpp"

#include <algorithm>
#include <cstring>

namespace convmixer::perf {

using kernels::Call;
using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Role;

namespace {

void reorder(kernels::Runtime& runtime, const Layout& from, void* source, const Layout& to, void* destination) {
  const kernels::Primitive primitive = kernels::reorder(runtime, from, to);
  AlignedBuffer scratchpad(primitive.scratchpad_bytes());
  Call call(runtime, primitive, {{Role::src, from, source}, {Role::dst, to, destination}}, scratchpad.data());
  runtime.execute([&] { call.run(); });
}

}  // namespace

Index index_of(std::int64_t element, const Shape& shape) {
  Index index{};
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index[static_cast<std::size_t>(axis)] = element % shape[axis];
    element /= shape[axis];
  }
  return index;
}

Tensor::Tensor(kernels::Runtime& runtime, const Layout& layout, std::uint32_t seed, Range range)
    : runtime_(runtime), layout_(layout), buffer_(layout.bytes()), seed_(seed), range_(range) {
  fill();
}

Tensor::Tensor(kernels::Runtime& runtime, const Layout& layout)
    : runtime_(runtime), layout_(layout), buffer_(layout.bytes()) {
  if (layout.bytes() > 0) std::memset(buffer_.data(), 0xff, layout.bytes());  // a NaN in either type
}

double Tensor::bytes() const {
  return static_cast<double>(shape().count()) * (layout_.type() == ElementType::f32 ? 4.0 : 2.0);
}

float Tensor::noise(std::int64_t element) const {
  // Steele, Lea & Flood's splitmix64, which any place can be asked for.
  std::uint64_t x = (static_cast<std::uint64_t>(element) + (std::uint64_t{seed_} << 40)) * 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  const float uniform = static_cast<float>(x >> 40) * 0x1p-24F;
  const float value = range_.low + (range_.high - range_.low) * uniform;
  return layout_.type() == ElementType::f32 ? value : from_bf16(to_bf16(value));
}

double Tensor::at(const Index& index) const {
  std::int64_t element = 0;
  for (int axis = 0; axis < shape().rank(); ++axis) {
    element = element * shape()[axis] + index[static_cast<std::size_t>(axis)];
  }
  return static_cast<double>(noise(element));
}

void Tensor::fill() {
  const Layout plain(shape(), ElementType::f32, Format::plain);
  AlignedBuffer values(plain.bytes());
  constexpr std::int64_t kPart = 1 << 16;
  const std::int64_t count = shape().count();
  runtime_.parallel_for((count + kPart - 1) / kPart, [&](std::int64_t part) {
    const std::int64_t end = std::min((part + 1) * kPart, count);
    for (std::int64_t i = part * kPart; i < end; ++i) values.as<float>()[static_cast<std::size_t>(i)] = noise(i);
  });
  reorder(runtime_, plain, values.data(), layout_, buffer_.data());
}

AlignedBuffer Tensor::read() const {
  const Layout plain(shape(), ElementType::f32, Format::plain);
  AlignedBuffer values(plain.bytes());
  reorder(runtime_, layout_, buffer_.data(), plain, values.data());
  return values;
}

}  // namespace convmixer::perf

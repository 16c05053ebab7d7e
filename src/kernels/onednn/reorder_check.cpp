#include "kernels/onednn/reorder_check.hpp"

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/error.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

namespace convmixer::kernels {

namespace {

constexpr std::size_t kNumbers = 251;  // bf16 holds each; a prime, so that no row is like another

/// All elements in the buffer, padding too.
std::vector<float> elements(const AlignedBuffer& buffer, const Layout& layout) {
  std::vector<float> values(layout.bytes() / (layout.type() == ElementType::f32 ? sizeof(float) : 2));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (layout.type() == ElementType::f32) {
      std::memcpy(&values[i], buffer.data() + i * sizeof(float), sizeof(float));
    } else {
      std::uint16_t high = 0;
      std::memcpy(&high, buffer.data() + i * sizeof high, sizeof high);
      values[i] = std::bit_cast<float>(std::uint32_t{high} << 16U);
    }
  }
  return values;
}

}  // namespace

void expect_faithful_reorder(Runtime& runtime, const Layout& from, const Layout& to) {
  const bool to_plain = to.format() == Format::plain;
  AlignedBuffer source(from.bytes());
  AlignedBuffer destination(to.bytes());
  // Where the source has padding, which place is whose is oneDNN's affair: all are alike then.
  std::vector<float> sent(from.bytes() / sizeof(float), 1.0F);
  for (std::size_t i = 0; i < sent.size() && !to_plain; ++i) sent[i] = static_cast<float>(1 + i % kNumbers);
  std::memcpy(source.data(), sent.data(), from.bytes());

  const Primitive primitive = reorder(runtime, from, to);
  AlignedBuffer scratchpad(primitive.scratchpad_bytes());
  Call call(runtime, primitive, {{Role::src, from, source.data()}, {Role::dst, to, destination.data()}},
            scratchpad.data());
  runtime.execute([&] { call.run(); });
  if (to_plain) sent.resize(static_cast<std::size_t>(to.shape().count()));
  expect_none_lost(from.shape(), lost_values(sent, elements(destination, to)));
}

std::size_t lost_values(std::span<const float> sent, std::span<const float> received) {
  std::array<std::int64_t, 256> missing{};
  for (const float value : sent) ++missing.at(static_cast<std::size_t>(value));
  for (const float value : received) {
    if (value >= 1.0F && value < 256.0F) --missing.at(static_cast<std::size_t>(value));
  }
  std::int64_t lost = 0;
  for (const std::int64_t count : missing) lost += std::max<std::int64_t>(0, count);
  return static_cast<std::size_t>(lost);
}

void expect_none_lost(const Shape& shape, std::size_t lost) {
  if (lost == 0) return;
  fail(
      "oneDNN {} doesn't work on this machine: of weights of {}, copied between layouts, {} of {} values are lost. Use "
      "--plan fused, which doesn't need that, or another version of oneDNN",
      onednn_version(), shape.to_string(), lost, shape.count());
}

}  // namespace convmixer::kernels

#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/precision.hpp"
#include "kernels/best_time.hpp"
#include "kernels/peak.hpp"

#include <algorithm>
#include <cstdint>

namespace convmixer::kernels {

namespace {

/// Numbers in [-1, 1), all different: multiplying zeros takes less power and lets the clock rise.
AlignedBuffer numbers(const Layout& layout) {
  AlignedBuffer buffer(layout.bytes());
  std::uint32_t state = 1;
  const auto next = [&state] {
    state = state * 1664525U + 1013904223U;  // Numerical Recipes' generator
    return static_cast<float>(static_cast<std::int32_t>(state)) * 0x1p-31F;
  };
  if (layout.type() == ElementType::f32) {
    std::ranges::generate(buffer.as<float>(), next);
  } else {
    std::ranges::generate(buffer.as<std::uint16_t>(), [&next] { return to_bf16(next()); });
  }
  return buffer;
}

}  // namespace

Peak matrix_peak(Runtime& runtime, ElementType type, std::chrono::duration<double> time) {
  constexpr std::int64_t kSize = 1024;
  constexpr std::int64_t kRowsPerThread = 256;
  const std::int64_t rows = std::max(kSize, kRowsPerThread * runtime.threads());
  const Layout src({rows, kSize}, type, Format::plain);
  const Layout dst({rows, kSize}, ElementType::f32, Format::plain);
  const PlannedMatrixProduct product = matrix_product(runtime, src, dst);
  AlignedBuffer a = numbers(src);
  AlignedBuffer b = numbers(product.weights);
  AlignedBuffer c(dst.bytes());
  AlignedBuffer scratchpad(product.primitive.scratchpad_bytes());
  Call call(runtime, product.primitive,
            {{Role::src, src, a.data()}, {Role::weights, product.weights, b.data()}, {Role::dst, dst, c.data()}},
            scratchpad.data());
  double seconds = 0.0;
  runtime.execute([&] { seconds = best_time(time, [&] { call.run(); }); });
  return {2.0 * static_cast<double>(rows) * static_cast<double>(kSize * kSize) / seconds,
          product.primitive.implementation()};
}

}  // namespace convmixer::kernels

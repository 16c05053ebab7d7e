#include "convmixer/core/aligned_buffer.hpp"
#include "convmixer/core/precision.hpp"
#include "peaks/best_time.hpp"
#include "peaks/peak.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace convmixer::perf {

namespace {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Role;
using kernels::Runtime;

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

struct Operand {
  Role role;
  Layout layout;
};

/// The best speed of a primitive that takes `flops`.
Peak measure(Runtime& runtime, const kernels::Primitive& primitive, const std::vector<Operand>& operands, double flops,
             std::chrono::duration<double> time) {
  std::deque<AlignedBuffer> buffers;
  std::vector<kernels::Argument> arguments;
  for (const Operand& operand : operands) {
    arguments.push_back({operand.role, operand.layout, buffers.emplace_back(numbers(operand.layout)).data()});
  }
  AlignedBuffer scratchpad(primitive.scratchpad_bytes());
  kernels::Call call(runtime, primitive, arguments, scratchpad.data());
  double seconds = 0.0;
  runtime.execute([&] { seconds = best_time(time, [&] { call.run(); }); });
  return {flops / seconds, primitive.implementation()};
}

Peak matrix_product_peak(Runtime& runtime, ElementType type, std::int64_t rows, std::int64_t size,
                         std::chrono::duration<double> time) {
  const Layout src({rows, size}, type, Format::plain);
  const Layout dst({rows, size}, ElementType::f32, Format::plain);
  const kernels::PlannedMatrixProduct product = kernels::matrix_product(runtime, src, dst);
  return measure(runtime, product.primitive, {{Role::src, src}, {Role::weights, product.weights}, {Role::dst, dst}},
                 2.0 * static_cast<double>(rows * size * size), time);
}

/// rows * size * size multiply-adds as a pointwise convolution of size channels.
std::optional<Peak> pointwise_peak(Runtime& runtime, ElementType type, std::int64_t rows, std::int64_t size,
                                   std::chrono::duration<double> time) {
  constexpr std::int64_t kWidth = 16;
  const Shape shape{rows / (kWidth * kWidth), size, kWidth, kWidth};
  const kernels::ConvolutionProblem problem{shape, shape, 1, 1, 1, 0, 0, true};
  const auto planned = kernels::convolution_forward(runtime, problem, Layout(shape, type, Format::any),
                                                    Layout(shape, ElementType::f32, Format::any));
  if (!planned) return std::nullopt;
  return measure(runtime, planned->primitive,
                 {{Role::src, planned->src},
                  {Role::weights, planned->weights},
                  {Role::bias, Layout({size}, ElementType::f32, Format::plain)},
                  {Role::dst, planned->dst}},
                 2.0 * static_cast<double>(rows * size * size), time);
}

}  // namespace

Peak matrix_peak(Runtime& runtime, ElementType type, std::chrono::duration<double> time) {
  // Small matrices stay in the caches, large ones keep a matrix unit busy, and convolutions have code of their own:
  // which of them is fastest differs between machines and precisions by a factor of two.
  const std::int64_t rows = std::int64_t{1024} * runtime.threads();
  const auto part = time / 4;
  Peak best{0.0, ""};
  const auto consider = [&best](const Peak& peak) {
    if (peak.flops > best.flops) best = peak;
  };
  for (const std::int64_t size : {256, 512, 1024}) consider(matrix_product_peak(runtime, type, rows, size, part));
  if (const auto peak = pointwise_peak(runtime, type, rows, 256, part)) consider(*peak);
  return best;
}

}  // namespace convmixer::perf

/// What the files of this folder share: oneDNN's own types behind onednn.hpp.
#pragma once

#include "convmixer/core/error.hpp"
#include "kernels/onednn/onednn.hpp"

#include <oneapi/dnnl/dnnl.hpp>

#include <functional>
#include <optional>
#include <string>

namespace convmixer::kernels {

struct Layout::Descriptor {
  dnnl::memory::desc md;
};

struct Runtime::Handles {
  dnnl::engine engine;
  dnnl::stream stream;
};

struct Primitive::Impl {
  std::string implementation;
  std::size_t scratchpad_bytes = 0;
  std::function<dnnl::primitive()> make;       // compiles the kernel: only for those that will run
  std::optional<dnnl::primitive> primitive{};  // made by the first Call
};

[[nodiscard]] inline const dnnl::memory::desc& descriptor(const Layout& layout) { return layout.descriptor().md; }

/// A Layout for a description that oneDNN made.
[[nodiscard]] Layout layout_of(const dnnl::memory::desc& md);

/// Describes `shape` for oneDNN with its choice of order.
[[nodiscard]] dnnl::memory::desc any_descriptor(const Shape& shape, ElementType type);

/// A description with strides, in elements.
[[nodiscard]] Layout strided_layout(std::int64_t rows, std::int64_t columns, ElementType type, std::int64_t row_stride,
                                    std::int64_t column_stride);

/// What a matrix product reads and writes; `chosen_b` receives b's layout.
struct ProductOperands {
  const Layout& a;
  const dnnl::memory::desc& b;
  const Layout* bias;
  const Layout& dst;
  Layout& chosen_b;
};
[[nodiscard]] Primitive strided_product(Runtime& runtime, const ProductOperands& operands, bool accumulate);

/// Threads that oneDNN would use when called from this thread; setting them is for its OpenMP builds, where they are
/// the calling thread's own affair.
[[nodiscard]] int onednn_threads() noexcept;
void set_onednn_threads(int threads) noexcept;

}  // namespace convmixer::kernels

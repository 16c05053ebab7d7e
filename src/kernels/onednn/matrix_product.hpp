/// Products of row-major matrices on one thread: what the tasks of fused stages are made of. oneDNN's kernels reach the
/// machine's peak on them (brgemm; AMX where there is any).
#pragma once

#include "kernels/onednn/onednn.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace convmixer::kernels {

/// While it lives, oneDNN runs on the calling thread alone: for primitives made or run inside tasks of the pool.
class OneThread {
 public:
  explicit OneThread(const Runtime& runtime) noexcept;
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int threads_;
};

/// dst (rows x columns, f32) = a (rows x inner) b (inner x columns), a and b in `type`.
struct ProductProblem {
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t inner;
  ElementType type;
  std::int64_t a_stride;        ///< elements between rows of a, or with `transposed_a`, between its columns
  bool transposed_a = false;    ///< a lies as (inner x rows)
  std::int64_t b_stride = 0;    ///< elements between rows of b; 0: packed as oneDNN likes it, see PackedMatrix
  std::int64_t dst_stride = 0;  ///< floats between rows of dst
  bool bias = false;            ///< plus an f32 row
  bool accumulate = false;      ///< plus what dst holds
};

/// A product with the implementation that oneDNN chose.
class PlannedProduct {
 public:
  PlannedProduct() = default;
  /// Throws Error if oneDNN has none. With `packed`, b lies like that.
  PlannedProduct(Runtime& runtime, const ProductProblem& problem, const Layout* packed = nullptr);

  [[nodiscard]] const std::string& implementation() const noexcept { return primitive_.implementation(); }
  [[nodiscard]] std::size_t scratchpad_bytes() const noexcept { return primitive_.scratchpad_bytes(); }
  /// Where b is packed: how.
  [[nodiscard]] const Layout& packed() const noexcept { return b_; }

 private:
  friend class Product;
  Primitive primitive_;
  Layout a_;
  Layout b_;
  Layout bias_;
  Layout dst_;
  bool has_bias_ = false;
};

/// A planned product for one task at a time.
class Product {
 public:
  /// `scratchpad` has at least scratchpad_bytes().
  Product(Runtime& runtime, const PlannedProduct& planned, void* scratchpad);
  /// Under OneThread.
  void run(const void* a, const void* b, const float* bias, float* dst);

 private:
  Call call_;
  bool has_bias_;
};

/// Converts an f32 matrix into the layout that a product's b is packed in. Element (i, j) is at
/// from[i * row_stride + j * column_stride].
class Packing {
 public:
  Packing(Runtime& runtime, const PlannedProduct& product, const float* from, std::int64_t row_stride,
          std::int64_t column_stride, void* to);
  /// Under OneThread.
  void run() { call_.run(); }

 private:
  Call call_;
};

}  // namespace convmixer::kernels

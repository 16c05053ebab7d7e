/// Memory of a tensor in any layout, with values that are known without reading it.
#pragma once

#include "convmixer/core/aligned_buffer.hpp"
#include "kernels/onednn/onednn.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace convmixer::perf {

/// A place in a tensor, outermost axis first; axes that it lacks are 0.
using Index = std::array<std::int64_t, Shape::kMaxRank>;

[[nodiscard]] Index index_of(std::int64_t element, const Shape& shape);

/// Where the values of an input lie.
struct Range {
  float low = -1.0F;
  float high = 1.0F;
};

/// Values are noise within a range, a function of (seed, place) rounded to the tensor's type. Results hold NaN until
/// they are written.
class Tensor {
 public:
  Tensor(kernels::Runtime& runtime, const kernels::Layout& layout, std::uint32_t seed, Range range);
  Tensor(kernels::Runtime& runtime, const kernels::Layout& layout);

  [[nodiscard]] const kernels::Layout& layout() const noexcept { return layout_; }
  [[nodiscard]] const Shape& shape() const noexcept { return layout_.shape(); }
  [[nodiscard]] void* data() const noexcept { return buffer_.data(); }
  template <typename T>
  [[nodiscard]] T* as() const noexcept {
    return reinterpret_cast<T*>(buffer_.data());
  }
  /// Bytes of its elements: no padding, which a kernel may skip.
  [[nodiscard]] double bytes() const;

  /// The value that an input was given there.
  [[nodiscard]] double at(const Index& index) const;
  /// What the memory holds now, row-major, in f32.
  [[nodiscard]] AlignedBuffer read() const;

 private:
  [[nodiscard]] float noise(std::int64_t element) const;
  void fill();

  kernels::Runtime& runtime_;
  kernels::Layout layout_;
  mutable AlignedBuffer buffer_;
  std::uint32_t seed_ = 0;
  Range range_;
};

}  // namespace convmixer::perf

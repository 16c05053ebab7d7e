/// Extents of a tensor.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace convmixer {

/// Extents of a dense tensor, outermost first, rank 0 to 5. Activations are (N, C, H, W) or (N, C);
/// convolution weights (O, I / groups, KH, KW).
class Shape {
 public:
  static constexpr int kMaxRank = 5;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents) : rank_(static_cast<int>(extents.size())) {
    assert(extents.size() <= static_cast<std::size_t>(kMaxRank));
    int i = 0;
    for (const std::int64_t extent : extents) extents_[static_cast<std::size_t>(i++)] = extent;
  }

  [[nodiscard]] int rank() const noexcept { return rank_; }

  [[nodiscard]] std::int64_t operator[](int axis) const noexcept {
    assert(axis >= 0 && axis < rank_);
    return extents_[static_cast<std::size_t>(axis)];
  }

  /// Appends an innermost extent.
  void push_back(std::int64_t extent) {
    assert(rank_ < kMaxRank);
    extents_[static_cast<std::size_t>(rank_++)] = extent;
  }

  /// Number of elements; 1 for rank 0.
  [[nodiscard]] std::int64_t count() const noexcept {
    std::int64_t product = 1;
    for (int i = 0; i < rank_; ++i) product *= (*this)[i];
    return product;
  }

  /// As "(64, 256, 16, 16)".
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<std::int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

}  // namespace convmixer

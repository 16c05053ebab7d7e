/// Extents of a tensor.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace convmixer {

/// Extents of a dense tensor, outermost first, rank 0 to 5. Activations are (N, C, H, W) or (N, C);
/// convolution weights (O, I / groups, KH, KW). No extent is negative, and there are less than 2^63 elements.
class Shape {
 public:
  static constexpr int kMaxRank = 5;

  Shape() = default;
  /// Throws Error (usage) as push_back does.
  Shape(std::initializer_list<std::int64_t> extents) {
    for (const std::int64_t extent : extents) push_back(extent);
  }

  [[nodiscard]] int rank() const noexcept { return rank_; }
  /// Throws Error (usage) unless 0 <= axis < rank().
  [[nodiscard]] std::int64_t operator[](int axis) const {
    if (axis < 0 || axis >= rank_) [[unlikely]]
      fail_axis(axis);
    return extents_[static_cast<std::size_t>(axis)];
  }
  /// Appends an innermost extent. Throws Error (usage), with nothing changed, for a negative one, for more of them than
  /// kMaxRank, and for more elements than 64 bits count.
  void push_back(std::int64_t extent);
  /// Number of elements; 1 for rank 0.
  [[nodiscard]] std::int64_t count() const noexcept {
    std::int64_t product = 1;
    for (int i = 0; i < rank_; ++i) product *= extents_[static_cast<std::size_t>(i)];
    return product;
  }
  /// As "(64, 256, 16, 16)".
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  [[noreturn]] void fail_axis(int axis) const;

  std::array<std::int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

}  // namespace convmixer

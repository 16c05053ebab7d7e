/// Views of a memory's elements as tensors: row-major ones are part of it, others have to be copied.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace convmixer {

/// Element (i, j, ...) lies at offset + i * strides[0] + j * strides[1] + ..., all in elements.
struct StridedView {
  std::int64_t offset = 0;
  std::vector<std::int64_t> extents{};
  std::vector<std::int64_t> strides{};  ///< one for each extent; that of an extent of 1 or less says nothing

  auto operator<=>(const StridedView&) const = default;
};

/// A view's number of elements, if they all lie within that many of the memory and are no more than those.
[[nodiscard]] std::optional<std::int64_t> elements_within(const StridedView& view, std::int64_t elements);

/// The views of one memory, whose bytes are borrowed. Views that are the same share a copy.
class StridedViews {
 public:
  /// Their copies together have no more bytes than this many memories like it: views that overlap can be made of a few
  /// bytes each. The parts of a matrix and a transpose of each take 1 or 2.
  static constexpr std::size_t kMostCopies = 4;

  StridedViews(std::span<const std::byte> memory, std::size_t element_bytes)
      : memory_(memory), element_bytes_(element_bytes) {}

  /// The elements in row-major order; nothing where the copies would become too many. The view lies within the memory.
  [[nodiscard]] std::optional<std::span<const std::byte>> row_major(StridedView view);
  /// Whether a view was given that is no copy.
  [[nodiscard]] bool is_borrowed() const noexcept { return is_borrowed_; }

 private:
  [[nodiscard]] std::vector<std::byte> copy(const StridedView& view, std::size_t count) const;

  std::span<const std::byte> memory_;
  std::size_t element_bytes_;
  std::map<StridedView, std::vector<std::byte>> copies_;
  std::size_t copied_bytes_ = 0;
  bool is_borrowed_ = false;
};

}  // namespace convmixer

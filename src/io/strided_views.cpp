#include "io/strided_views.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace convmixer {

namespace {

/// Each axis goes on where the ones after it end; those of one element go nowhere.
bool is_row_major(const StridedView& view) {
  std::int64_t inner = 1;
  for (std::size_t axis = view.extents.size(); axis-- > 0;) {
    if (view.extents[axis] == 1) continue;
    if (view.strides[axis] != inner) return false;
    inner *= view.extents[axis];
  }
  return true;
}

}  // namespace

std::optional<std::int64_t> elements_within(const StridedView& view, std::int64_t elements) {
  std::int64_t count = 1;
  std::int64_t last = view.offset;  // element that lies furthest away
  bool overflow = false;
  for (std::size_t axis = 0; axis < view.extents.size(); ++axis) {
    const std::int64_t extent = view.extents[axis];
    std::int64_t reach = 0;
    overflow |= __builtin_mul_overflow(count, extent, &count);
    if (extent > 1) overflow |= __builtin_mul_overflow(extent - 1, view.strides[axis], &reach);
    overflow |= __builtin_add_overflow(last, reach, &last);
  }
  // Strides of 0 let a few bytes claim to be any number of elements: no parameter is stored like that.
  if (overflow || (count > 0 && last >= elements) || count > elements) return std::nullopt;
  return count;
}

std::optional<std::span<const std::byte>> StridedViews::row_major(StridedView view) {
  std::size_t count = 1;
  for (std::size_t axis = 0; axis < view.extents.size(); ++axis) {
    count *= static_cast<std::size_t>(view.extents[axis]);
    if (view.extents[axis] == 1) view.strides[axis] = 0;
  }
  if (count == 0) return std::span<const std::byte>{};
  const std::size_t bytes = count * element_bytes_;
  if (is_row_major(view)) {
    is_borrowed_ = true;
    return memory_.subspan(static_cast<std::size_t>(view.offset) * element_bytes_, bytes);
  }
  if (const auto before = copies_.find(view); before != copies_.end()) return before->second;
  if (bytes > kMostCopies * memory_.size() - copied_bytes_) return std::nullopt;
  copied_bytes_ += bytes;
  std::vector<std::byte> copied = copy(view, count);
  return copies_.emplace(std::move(view), std::move(copied)).first->second;
}

std::vector<std::byte> StridedViews::copy(const StridedView& view, std::size_t count) const {
  std::vector<std::byte> copied(count * element_bytes_);
  std::vector<std::int64_t> index(view.extents.size());
  std::int64_t from = view.offset;
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(copied.data() + i * element_bytes_, memory_.data() + static_cast<std::size_t>(from) * element_bytes_,
                element_bytes_);
    for (std::size_t axis = view.extents.size(); axis-- > 0;) {
      from += view.strides[axis];
      if (++index[axis] < view.extents[axis]) break;
      from -= view.strides[axis] * view.extents[axis];
      index[axis] = 0;
    }
  }
  return copied;
}

}  // namespace convmixer

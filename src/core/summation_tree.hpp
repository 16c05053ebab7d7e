/// The fixed binary tree in which the sums of a batch's chunks are added up:
///
///     sum(b, e) = sum(b, m) + sum(m, e) with m = (b + e) / 2; sum(b, b + 1) is leaf b
///
/// The order depends on the number of leaves alone. A contiguous half, quarter or eighth of the leaves, where the
/// number can be divided, is a subtree: who has these alone has an operand of the whole tree's sum, to the last bit.
/// And the rounding error grows with the number's logarithm, where a sum in a row grows it with the number.
#pragma once

#include <cstddef>

namespace convmixer {

/// The tree is worked off from left to right with a stack of partial sums: each leaf is put on it, and then so many
/// times the two sums on top become one.
[[nodiscard]] constexpr std::size_t merges_after(std::size_t leaf, std::size_t leaves) noexcept {
  std::size_t merges = 0;  // of the subtrees that the leaf ends: the turns to the right just above it
  for (std::size_t begin = 0, end = leaves; end - begin > 1;) {
    const std::size_t middle = (begin + end) / 2;
    if (leaf < middle) {
      end = middle;
      merges = 0;
    } else {
      begin = middle;
      ++merges;
    }
  }
  return merges;
}

/// Partial sums that the stack holds at most, for up to kMostLeaves leaves.
inline constexpr std::size_t kMostPartialSums = 9;
inline constexpr std::size_t kMostLeaves = 256;

/// Calls leaf(i, slot), which puts leaf i into a slot of the stack, and merge(slot), which adds slot + 1 to `slot`; in
/// the end slot 0 has the sum. `leaves` is 1 to kMostLeaves.
template <typename Leaf, typename Merge>
void add_up_tree(std::size_t leaves, const Leaf& leaf, const Merge& merge) {
  std::size_t slots = 0;
  for (std::size_t i = 0; i < leaves; ++i) {
    leaf(i, slots);
    for (std::size_t merges = merges_after(i, leaves); merges > 0; --merges) merge(--slots);
    ++slots;
  }
}

}  // namespace convmixer

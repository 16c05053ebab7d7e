/// Places buffers of known lifetimes in one block of memory.
#pragma once

#include <cstddef>
#include <span>

namespace convmixer {

/// A buffer in use from step `first` to step `last`, both included.
struct Lifetime {
  std::size_t bytes;
  int first;
  int last;
  std::size_t offset = 0;  ///< where it was placed
};

/// Gives every buffer an offset such that buffers alive at the same step never overlap, and returns the size of
/// the block. Greedy by size, each into the lowest gap that fits: Pisarchyk & Lee, "Efficient memory management for
/// deep neural net inference", arXiv 2001.03288, algorithm 3. Offsets are multiples of 64 bytes.
std::size_t place_in_arena(std::span<Lifetime> lifetimes);

}  // namespace convmixer

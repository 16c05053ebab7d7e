#include "plan/memory_plan.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace convmixer {

namespace {

constexpr std::size_t kCacheLine = 64;

std::size_t round_up(std::size_t bytes) { return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine; }

bool overlap(const Lifetime& a, const Lifetime& b) { return a.first <= b.last && b.first <= a.last; }

}  // namespace

std::size_t place_in_arena(std::span<Lifetime> lifetimes) {
  std::vector<std::size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });

  std::size_t arena = 0;
  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t index : order) {
    Lifetime& buffer = lifetimes[index];
    std::size_t offset = 0;
    for (const std::size_t other_index : placed) {
      const Lifetime& other = lifetimes[other_index];
      if (!overlap(buffer, other)) continue;
      if (offset + buffer.bytes <= other.offset) break;
      offset = std::max(offset, round_up(other.offset + other.bytes));
    }
    buffer.offset = offset;
    arena = std::max(arena, round_up(offset + buffer.bytes));
    placed.insert(std::ranges::upper_bound(placed, offset, {}, [&](std::size_t i) { return lifetimes[i].offset; }),
                  index);
  }
  return arena;
}

}  // namespace convmixer

/// What one thread of a fused plan works with.
/// Sizes (tile, word): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/depthwise_stage.hpp"
#include "plan/fused/tiled_product.hpp"
#include "plan/placed_memory.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>

namespace convmixer::fused {

/// Sizes of a worker's arrays, in elements; a plan's are the largest of its stages'.
struct WorkerSizes {
  std::size_t src = 0;
  std::size_t diff_dst = 0;
  std::size_t src_words = 0;
  std::size_t diff_dst_words = 0;
  std::size_t patches = 0;
  std::size_t patch_words = 0;
  std::size_t depthwise = 0;
  std::size_t channels = 0;
  std::size_t scratchpad_bytes = 0;

  void cover(const WorkerSizes& other) {
    for (std::size_t WorkerSizes::*const size :
         {&WorkerSizes::src, &WorkerSizes::diff_dst, &WorkerSizes::src_words, &WorkerSizes::diff_dst_words,
          &WorkerSizes::patches, &WorkerSizes::patch_words, &WorkerSizes::depthwise, &WorkerSizes::channels,
          &WorkerSizes::scratchpad_bytes}) {
      this->*size = std::max(this->*size, other.*size);
    }
  }
};

template <class Storage>
struct Worker {
  std::size_t number = 0;
  // Operands of products, pixels x channels or patches' values, as TiledProduct and GradientProduct want them.
  typename Storage::Operand* src = nullptr;
  typename Storage::Operand* diff_dst = nullptr;
  typename Storage::Operand* patches = nullptr;
  // The same in bf16 for hand-written weight gradients: words of two pixels.
  float* src_words = nullptr;
  float* diff_dst_words = nullptr;
  float* patch_words = nullptr;
  float* tile = nullptr;  ///< of a product
  float* depthwise_memory = nullptr;
  float* coefficients = nullptr;  ///< a vector of channels
  double* sums = nullptr;         ///< likewise
  std::byte* scratchpad = nullptr;
  std::optional<kernels::DepthwiseScratch> depthwise;

  void add_memory(PlacedMemory& memory, const WorkerSizes& sizes, std::size_t worker) {
    number = worker;
    depthwise_floats_ = sizes.depthwise;
    const ArrayUser user = ArrayUser::worker(worker);
    memory.add(src, sizes.src, user);
    memory.add(diff_dst, sizes.diff_dst, user);
    memory.add(patches, sizes.patches, user);
    memory.add(src_words, sizes.src_words, user);
    memory.add(diff_dst_words, sizes.diff_dst_words, user);
    memory.add(patch_words, sizes.patch_words, user);
    memory.add(tile, TiledProduct::tile_floats(), user);
    memory.add(depthwise_memory, sizes.depthwise, user);
    memory.add(coefficients, sizes.channels, user);
    memory.add(sums, sizes.channels, user);
    memory.add(scratchpad, sizes.scratchpad_bytes, user);
  }

  /// Another plan may have used the memory since: zero borders are no longer there.
  void begin_pass() { depthwise.emplace(std::span(depthwise_memory, depthwise_floats_)); }

 private:
  std::size_t depthwise_floats_ = 0;
};

}  // namespace convmixer::fused

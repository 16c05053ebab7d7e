/// A chain's weights in the layouts and types that its fused stages read, made anew from the parameters at each step.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/graph/parameters.hpp"
#include "kernels/fused/depthwise_stage.hpp"
#include "kernels/fused/patches.hpp"
#include "plan/fused/stage_chain.hpp"
#include "plan/fused/tiled_product.hpp"
#include "plan/placed_memory.hpp"

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace convmixer {

class FusedWeights {
 public:
  /// A depthwise convolution's filters, see kernels::pack_depthwise.
  struct Depthwise {
    float* filters = nullptr;
    float* flipped = nullptr;  ///< training only
    float* bias = nullptr;
  };
  /// A product with a pointwise convolution's weights, or the stem's.
  struct Dense {
    std::unique_ptr<TiledProduct> forward;
    std::unique_ptr<TiledProduct> backward;  ///< data gradient; pointwise in training only
    std::byte* packed = nullptr;
    std::byte* packed_backward = nullptr;
    float* bias = nullptr;
    float* padded = nullptr;  ///< weights with padding channels, where there are any
  };

  /// `products` is own or onednn, `slab` the pixels that data gradients take at a time.
  FusedWeights(const StageChain& chain, Parameters& parameters, kernels::Runtime& runtime, kernels::ElementType type,
               ProductKernels products, std::size_t slab, bool training);

  void add_memory(PlacedMemory& memory);
  [[nodiscard]] std::size_t scratchpad_bytes() const;
  /// Once the memory is placed.
  void prepare();
  /// Reads the parameters as they are now.
  void refresh(ThreadPool& pool);

  [[nodiscard]] const Dense& stem() const { return dense_.front(); }
  [[nodiscard]] const Dense& pointwise(std::size_t block) const { return dense_[block + 1]; }
  [[nodiscard]] const Depthwise& depthwise(std::size_t block) const { return depthwise_[block]; }
  [[nodiscard]] const kernels::PatchGeometry& patches() const { return patches_; }
  [[nodiscard]] kernels::DepthwiseGeometry geometry(std::size_t block) const;
  /// Of kernels::DepthwiseScratch, for any block.
  [[nodiscard]] std::size_t depthwise_scratch_floats() const;

 private:
  [[nodiscard]] const ConvolutionStage& stage(std::size_t dense) const;
  [[nodiscard]] std::size_t depthwise_words(std::size_t block) const;
  void refresh_padded(std::size_t dense);
  void refresh_depthwise(std::size_t block);
  void copy_bias(const ConvolutionStage& stage, float* bias) const;

  const StageChain& chain_;
  Parameters& parameters_;
  kernels::Runtime& runtime_;
  kernels::ElementType type_;
  bool training_;
  std::size_t channels_;
  std::size_t padded_;
  kernels::PatchGeometry patches_;
  std::deque<Dense> dense_;          // the stem, then the blocks' pointwise ones; addresses stay
  std::deque<Depthwise> depthwise_;  // likewise
  std::vector<std::function<void()>> packings_;
};

}  // namespace convmixer

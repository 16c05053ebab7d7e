/// Gradients of a chain's convolutions, summed up chunk by chunk of a batch and then in the chunks' order, so that they
/// are the same whoever took which chunk.
#pragma once

#include "convmixer/graph/parameters.hpp"
#include "plan/fused/gradient_product.hpp"
#include "plan/fused/stage_chain.hpp"
#include "plan/placed_memory.hpp"

#include <cstddef>

namespace convmixer {

/// Each stage's sums take the place of those of the stage before it, once these are added up.
class ChunkGradients {
 public:
  /// `channels` of every stage.
  ChunkGradients(Parameters& parameters, std::size_t chunks, std::size_t channels);

  /// `dense_floats`: of the largest product's sums; `kernel`: the largest depthwise one.
  void add_memory(PlacedMemory& memory, std::size_t dense_floats, std::size_t kernel);

  /// A chunk's sums: of dense weights, see GradientProduct::at(); of their biases, by channel; of depthwise weights and
  /// biases, see kernels::DepthwiseBackward.
  [[nodiscard]] float* dense(const GradientProduct& product, std::size_t chunk) const {
    return dense_ + chunk * product.sums_floats();
  }
  [[nodiscard]] double* bias(std::size_t chunk) const { return bias_ + chunk * padded_; }
  [[nodiscard]] double* depthwise(std::size_t kernel, std::size_t chunk) const;

  /// Adds up rows of a dense stage's weight gradient (O x `inputs`) from `row` to its block's end, with their biases.
  void add_up_dense(const ConvolutionStage& stage, const GradientProduct& product, std::size_t inputs,
                    std::size_t row) const;
  /// Adds up a depthwise stage's gradients of the block of channels that begins at `channel`. Its chunks' sums are then
  /// no longer there.
  void add_up_depthwise(const ConvolutionStage& stage, std::size_t channel) const;

 private:
  Parameters& parameters_;
  std::size_t chunks_;
  std::size_t channels_;
  std::size_t padded_;
  float* dense_ = nullptr;
  double* bias_ = nullptr;
  double* depthwise_ = nullptr;
};

}  // namespace convmixer

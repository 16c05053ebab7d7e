/// The sums that the chunks of a batch leave, to be added up once all tasks have met.
/// Sizes (chunk, channel block): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/chunk_sums.hpp"
#include "kernels/fused/norm_stage.hpp"
#include "plan/fused/stage_context.hpp"
#include "plan/placed_memory.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace convmixer::fused {

/// A chunk of the batch, and where a stage leaves the sums of its images.
struct Chunk {
  std::size_t begin;  ///< the first image
  std::size_t end;    ///< the one after the last

  // Forward: moments of the values after the stage's GELU, by channel, see kernels::MomentSums.
  float* origin;
  double* moment_sum;
  double* moment_square;
  // Backward: the gradient that the stage hands on, and that times the centred values, by channel: S1 and S2 of
  // kernels/fused/norm_stage.hpp. In the place of the moments.
  double* gradient_sum;
  double* weighted_sum;
  // Backward: gradients of the stage's convolution.
  double* bias;       ///< of a dense one, by channel
  float* dense;       ///< its weights, see GradientProduct::at()
  double* depthwise;  ///< of a depthwise one, weights and biases by channel block, see kernels::DepthwiseBackward

  [[nodiscard]] kernels::MomentSums moments(std::size_t image, std::size_t channel) const {
    return {origin + channel, moment_sum + channel, moment_square + channel, image == begin};
  }
  void clear_moments(std::size_t channels) const {
    std::fill_n(moment_sum, channels, 0.0);
    std::fill_n(moment_square, channels, 0.0);
  }
  void clear_gradient_sums(std::size_t channels) const {
    std::fill_n(gradient_sum, channels, 0.0);
    std::fill_n(weighted_sum, channels, 0.0);
  }
};

class Norm;

/// Each stage's sums take the place of those of the stage before it, which are added up by then. Where ranks share the
/// batch, what norms need is first exchanged with them, and is that of all ranks.
class ChunkSums {
 public:
  explicit ChunkSums(const StageContext& context);
  ChunkSums(const ChunkSums&) = delete;  // placed memory is set through pointers to its members
  ChunkSums& operator=(const ChunkSums&) = delete;

  /// Room for the largest stage: `dense` floats and `depthwise` doubles of a chunk.
  void add_memory(PlacedMemory& memory, std::size_t dense, std::size_t depthwise);

  [[nodiscard]] std::size_t count() const { return context_.chunks.count(); }
  [[nodiscard]] Chunk chunk(std::size_t number) const;

  /// Before the two that follow, where ranks share the batch: with them, the moments of all channels.
  void exchange_moments();
  /// A norm's statistics of a channel block, see Norm.
  void finish_forward(Norm& norm, std::size_t channel_block, bool update_statistics) const;

  /// Before those that follow, where ranks share the batch: with them, the sums of all channels.
  void exchange_gradient_sums();
  /// The coefficients of a norm's gradient, of a channel block, and its parameters' gradients.
  void finish_backward(Norm& norm, std::size_t channel_block) const;
  /// The gradients of a channel block's 32 biases.
  void bias_total(std::size_t channel_block, double* total) const;

  /// Doubles, or floats, from one chunk's sums to the next one's.
  [[nodiscard]] std::size_t channel_stride() const { return context_.geometry.padded_channels; }
  [[nodiscard]] std::size_t dense_stride() const { return dense_stride_; }
  [[nodiscard]] std::size_t depthwise_stride() const { return depthwise_stride_; }

 private:
  [[nodiscard]] kernels::ChunkMomentSums moments(std::size_t first_channel) const;
  void total(const double* sums, std::size_t first_channel, std::size_t channels, double* result) const;

  const StageContext& context_;
  std::vector<std::size_t> values_;  // per channel, by chunk
  /// Of all ranks: the number of values, means and squares; or gradients' sums, weighted ones, biases'.
  std::vector<double> exchanged_;
  std::size_t dense_stride_ = 0;
  std::size_t depthwise_stride_ = 0;
  float* origin_ = nullptr;
  double* first_ = nullptr;   // moments' sums, or gradients'
  double* second_ = nullptr;  // likewise
  double* bias_ = nullptr;
  float* dense_ = nullptr;
  double* depthwise_ = nullptr;
};

}  // namespace convmixer::fused

/// The first stage of a mixer block: depthwise convolution and GELU.
/// Sizes (chunk, channel block): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/depthwise_stage.hpp"
#include "plan/fused/chunk_sums.hpp"
#include "plan/fused/inference_image.hpp"
#include "plan/fused/mixer_block_state.hpp"
#include "plan/fused/refresh_tasks.hpp"
#include "plan/fused/stage_context.hpp"
#include "plan/fused/worker.hpp"
#include "plan/gradient_exchange.hpp"

#include <cstddef>
#include <deque>
#include <vector>

namespace convmixer::fused {

/// With x = norm(g), the block's normalised input:
///     forward    u = depthwise(x) + bias; h = gelu(u)
///     backward   du = norm'(dy) gelu'(u); dW += du x; dx = dy + depthwise'(du)
/// where dy is the gradient of norm(h), and of the residual, which is the same: norm(h) + x goes on.
template <class Storage>
class DepthwiseStage {
  using Operand = typename Storage::Operand;

 public:
  DepthwiseStage(const StageContext& context, const StageChain& chain, const ConvolutionStage& stage,
                 MixerBlockState<Storage>& state);
  DepthwiseStage(const DepthwiseStage&) = delete;  // placed memory is set through pointers to its members
  DepthwiseStage& operator=(const DepthwiseStage&) = delete;

  void add_memory(PlacedMemory& memory);
  [[nodiscard]] WorkerSizes worker_sizes() const;
  void prepare(RefreshTasks& tasks);
  /// Doubles of a chunk's sums in backward.
  [[nodiscard]] std::size_t depthwise_sums() const;

  void forward(const Chunk& chunk, Worker<Storage>& worker) const;
  /// `gradient`: dy, and then dx in its place.
  void backward(Operand* gradient, const Chunk& chunk, Worker<Storage>& worker) const;
  /// Inference of an image in parts, each of which any worker may do: a channel block of image.value, g, to
  /// norm(h) + x in image.src, whose rows lie as `dst` says.
  [[nodiscard]] std::size_t parts() const { return context_.geometry.channel_blocks; }
  void infer(std::size_t part, const InferenceImage<Storage>& image, kernels::RowLayout dst,
             Worker<Storage>& worker) const;

  /// Once the chunks have met: the norm of h, by channel block.
  void reduce_forward(std::size_t channel_block, const ChunkSums& sums, bool update_statistics);
  /// The gradients of filters and biases, in tasks of half a channel block, and the norm of g.
  [[nodiscard]] std::size_t reduce_tasks() const { return 2 * context_.geometry.channel_blocks; }
  void reduce_backward(std::size_t task, const ChunkSums& sums);
  /// What ranks add up after step `step`, this backward.
  void add_sums(GradientExchange& exchange, std::size_t step) const;
  /// What then is final.
  [[nodiscard]] std::vector<ParameterId> gradients() const;

 private:
  void refresh() const;
  void reduce_gradients(std::size_t half_block, const ChunkSums& sums) const;
  /// From the sums of half a channel block.
  void set_gradients(std::size_t half_block, const double* total) const;
  /// Doubles of half a channel block's sums.
  [[nodiscard]] std::size_t half_sums() const { return kernels::depthwise_sums_size(geometry_.kernel) / 2; }
  /// Words of a channel block's filters.
  [[nodiscard]] std::size_t filter_words() const { return kernels::packed_depthwise_size<Storage>(geometry_.kernel); }

  const StageContext& context_;
  const Convolution& convolution_;
  kernels::StageActivation activation_;
  kernels::DepthwiseGeometry geometry_;
  MixerBlockState<Storage>& state_;
  float* filters_ = nullptr;  // see kernels::pack_depthwise
  float* flipped_ = nullptr;  // likewise; training only
  float* bias_ = nullptr;
  typename Storage::GeluDerivative* gelu_derivative_ = nullptr;  // training only
  double* share_sums_ = nullptr;  // this rank's, where ranks share the batch: kept until they add them up
};

}  // namespace convmixer::fused

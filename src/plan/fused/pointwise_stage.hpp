/// The second stage of a mixer block: residual sum, pointwise convolution and GELU.
/// Sizes (chunk, slab, tile, channel block): see "Words" in HACKING.md.
#pragma once

#include "plan/fused/chunk_sums.hpp"
#include "plan/fused/dense_gradient.hpp"
#include "plan/fused/dense_weights.hpp"
#include "plan/fused/head_stage.hpp"
#include "plan/fused/inference_image.hpp"
#include "plan/fused/mixer_block_state.hpp"
#include "plan/fused/stage_context.hpp"
#include "plan/fused/worker.hpp"

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace convmixer::fused {

/// With h and x, the depthwise stage's output and the block's input:
///     forward    y = norm(h) + x; u = W y + bias; g = gelu(u)
///     backward   du = norm'(dz) gelu'(u); dW += du y'; dy = W' du (+ dz with a pointwise residual)
/// where dz is the gradient of norm(g), and of the block's output.
template <class Storage>
class PointwiseStage {
  using Operand = typename Storage::Operand;
  using GeluDerivative = typename Storage::GeluDerivative;

 public:
  /// `head`: what comes after the last block; else null.
  PointwiseStage(const StageContext& context, const ConvolutionStage& stage, MixerBlockState<Storage>& state,
                 HeadStage* head);

  void add_memory(PlacedMemory& memory);
  [[nodiscard]] WorkerSizes worker_sizes() const;
  void prepare(std::deque<Worker<Storage>>& workers, RefreshTasks& refresh);
  /// Floats of a chunk's sums in backward.
  [[nodiscard]] std::size_t dense_sums() const { return gradient_->sums_floats(); }
  [[nodiscard]] std::string implementation() const { return weights_.implementation(); }
  [[nodiscard]] std::string backward_implementation() const { return gradient_->implementation(); }

  void forward(const Chunk& chunk, Worker<Storage>& worker);
  /// `gradient`: dz (but the head has that of the last block), and then dy in its place.
  void backward(Operand* gradient, const Chunk& chunk, Worker<Storage>& worker);
  /// Inference of an image in parts, each of which any worker may do: from y in image.src, whose rows lie as
  /// src_layout() says, to g in image.value, by tiles. The last block's parts are slices, whose channels' sums over all
  /// pixels they leave in image.moments for the head.
  [[nodiscard]] std::size_t parts() const { return head_ == nullptr ? weights_.tiles() : weights_.slices(); }
  void infer(std::size_t part, const InferenceImage<Storage>& image, Worker<Storage>& worker);
  [[nodiscard]] kernels::RowLayout src_layout() const { return weights_.src_layout(); }

  /// Once the chunks have met: the norm of g, by channel block.
  void reduce_forward(std::size_t channel_block, const ChunkSums& sums, bool update_statistics);
  /// The gradients of weights and biases, and the norm of h, in tasks.
  [[nodiscard]] std::size_t reduce_tasks() const { return gradient_->reduce_tasks(); }
  void reduce_backward(std::size_t task, const ChunkSums& sums);
  /// What ranks add up after step `step`, this backward.
  void add_sums(GradientExchange& exchange, std::size_t step) const { gradient_->add_sums(exchange, step); }
  /// What then is final.
  [[nodiscard]] std::vector<ParameterId> gradients() const;

 private:
  void normalise_input(const Slab& slab, const kernels::RowLayout& layout, std::size_t pair_words,
                       Worker<Storage>& worker) const;
  void store_gradient(const ProductTile& tile, const Slab& slab, Operand* gradient, const Chunk& chunk) const;
  const float* shifted_by_head(std::size_t image, Worker<Storage>& worker) const;
  void set_residual_mean(std::size_t image) const;

  const StageContext& context_;
  const Convolution& convolution_;
  kernels::StageActivation activation_;
  MixerBlockState<Storage>& state_;
  HeadStage* head_;
  bool adds_gradient_;        // to dy: dz, from a tensor
  bool adds_pixel_gradient_;  // to dy: dz, the head's, the same at all pixels of an image
  std::size_t slab_pixels_;
  DenseWeights weights_;
  std::optional<DenseGradient> gradient_;      // training only
  GeluDerivative* gelu_derivative_ = nullptr;  // likewise
};

}  // namespace convmixer::fused

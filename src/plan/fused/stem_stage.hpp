/// The first stage of a chain: patch embedding and GELU.
/// Sizes (chunk, channel block): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/patches.hpp"
#include "plan/fused/chunk_sums.hpp"
#include "plan/fused/dense_gradient.hpp"
#include "plan/fused/dense_weights.hpp"
#include "plan/fused/inference_image.hpp"
#include "plan/fused/mixer_block_state.hpp"
#include "plan/fused/stage_context.hpp"
#include "plan/fused/worker.hpp"

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace convmixer::fused {

/// u = W patches(image) + bias; g = gelu(u).
template <class Storage>
class StemStage {
  using Operand = typename Storage::Operand;
  using StemStorage =
      std::conditional_t<std::is_same_v<Storage, kernels::Bf16Storage>, kernels::Bf16StemStorage, Storage>;

 public:
  StemStage(const StageContext& context, const StageChain& chain, Activation<Storage>& output);

  void add_memory(PlacedMemory& memory);
  [[nodiscard]] WorkerSizes worker_sizes() const;
  void prepare(std::deque<Worker<Storage>>& workers, RefreshTasks& refresh);
  /// Floats of a chunk's sums in backward.
  [[nodiscard]] std::size_t dense_sums() const { return gradient_->sums_floats(); }
  [[nodiscard]] std::string implementation() const { return weights_.implementation(); }
  [[nodiscard]] std::string backward_implementation() const { return gradient_->implementation(); }

  /// Of a whole batch: `images` is (N, C, H, W).
  void forward(const float* images, const Chunk& chunk, Worker<Storage>& worker);
  /// `gradient`: of the stage's normalised output.
  void backward(const float* images, const Operand* gradient, const Chunk& chunk, Worker<Storage>& worker);
  /// Inference of an image in parts, each of which any worker may do: first its patches, by rows of pixels, then their
  /// product to image.value, by tiles.
  [[nodiscard]] std::size_t patch_parts() const { return patches_.out_height; }
  void infer_patches(std::size_t part, const InferenceImage<Storage>& image) const;
  [[nodiscard]] std::size_t parts() const { return weights_.tiles(); }
  void infer(std::size_t part, const InferenceImage<Storage>& image, Worker<Storage>& worker);

  /// Once the chunks have met: the output's norm, by channel block.
  void reduce_forward(std::size_t channel_block, const ChunkSums& sums, bool update_statistics);
  /// The gradients of weights and biases, in tasks.
  [[nodiscard]] std::size_t reduce_tasks() const;
  void reduce_backward(std::size_t task, const ChunkSums& sums);
  /// What ranks add up after step `step`, this backward.
  void add_sums(GradientExchange& exchange, std::size_t step) const { gradient_->add_sums(exchange, step); }
  /// What then is final.
  [[nodiscard]] std::vector<ParameterId> gradients() const;

 private:
  const float* image_at(const float* images, std::size_t image) const { return images + image * patches_.image_size(); }
  /// Into worker.patch_words.
  void pair_patches(Worker<Storage>& worker) const;

  const StageContext& context_;
  const Convolution& convolution_;
  kernels::StageActivation activation_;
  Activation<Storage>& output_;
  kernels::PatchGeometry patches_;
  DenseWeights weights_;
  std::optional<DenseGradient> gradient_;  // training only
  typename StemStorage::GeluDerivative* gelu_derivative_ = nullptr;
};

}  // namespace convmixer::fused

/// The gradient of a dense convolution's weights and biases, the stem's or a pointwise one's.
/// Sizes (chunk, channel block, word): see "Words" in HACKING.md.
#pragma once

#include "plan/fused/chunk_sums.hpp"
#include "plan/fused/gradient_product.hpp"
#include "plan/fused/stage_context.hpp"
#include "plan/gradient_exchange.hpp"

#include <cstddef>
#include <deque>
#include <string>

namespace convmixer::fused {

class DenseGradient {
 public:
  /// `inputs` of an output, `padded_inputs` with the operand's padding channels, `pixels` taken at a time.
  DenseGradient(const StageContext& context, const ConvolutionStage& stage, std::size_t inputs,
                std::size_t padded_inputs, std::size_t pixels);

  template <class Worker>
  void prepare(std::deque<Worker>& workers) {
    for (Worker& worker : workers) workers_.emplace_back(context_.runtime, product_, worker.scratchpad);
  }

  [[nodiscard]] std::string implementation() const { return product_.implementation(); }
  [[nodiscard]] std::size_t scratchpad_bytes() const { return product_.scratchpad_bytes(); }
  /// Floats of a chunk's sums.
  [[nodiscard]] std::size_t sums_floats() const { return product_.sums_floats(); }
  /// See GradientProduct::reads_words().
  [[nodiscard]] bool reads_words() const { return product_.reads_words(); }
  /// Words of a channel block that aren't simply rows of f32: of bf16 pairs; 0: it reads rows.
  [[nodiscard]] std::size_t pair_words() const {
    return reads_words() && context_.type == kernels::ElementType::bf16 ? product_.words() : 0;
  }

  /// Adds the gradient of some pixels to a chunk's sums, or puts it there if it is their `first`.
  void run(std::size_t worker, const void* diff_dst, const void* src, std::size_t pixels, float* sums, bool first) {
    workers_[worker].run(diff_dst, src, pixels, sums, first);
  }

  /// Adds up the chunks' sums, in tasks of 32 outputs and 32 inputs; the biases with the first inputs.
  [[nodiscard]] std::size_t input_blocks() const;
  [[nodiscard]] std::size_t reduce_tasks() const { return context_.geometry.channel_blocks * input_blocks(); }
  void reduce(std::size_t task, const ChunkSums& sums) const;
  /// What ranks then add up.
  void add_sums(GradientExchange& exchange, std::size_t step) const {
    exchange.add(step, context_.parameters.gradient(convolution_.weight));
  }

 private:
  void reduce_weights(std::size_t channel_block, std::size_t input_block, const ChunkSums& sums) const;
  void reduce_biases(std::size_t channel_block, const ChunkSums& sums) const;

  const StageContext& context_;
  const Convolution& convolution_;
  std::size_t inputs_;
  GradientProduct product_;
  std::deque<GradientProduct::Worker> workers_;
};

}  // namespace convmixer::fused

/// A batch norm within fused stages: from sums over the parts of a batch to the coefficients of its channels.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/graph/parameters.hpp"
#include "plan/fused/stage_chain.hpp"
#include "plan/placed_memory.hpp"

#include <cstddef>
#include <span>

namespace convmixer {

/// Sums of all chunks of a batch, (chunk, channel): see kernels::MomentSums.
struct ChunkMoments {
  float* origin = nullptr;
  double* sum = nullptr;
  double* square = nullptr;
};

/// A norm with its statistics and coefficients, see kernels/fused/norm_stage.hpp; vectors of padded channels.
class FusedNorm {
 public:
  FusedNorm(const ConvolutionStage& stage, Parameters& parameters, ThreadPool& pool);
  FusedNorm(const FusedNorm&) = delete;  // placed memory is set through pointers to its members
  FusedNorm(FusedNorm&&) = delete;
  FusedNorm& operator=(const FusedNorm&) = delete;
  FusedNorm& operator=(FusedNorm&&) = delete;
  ~FusedNorm() = default;

  void add_memory(PlacedMemory& memory);

  /// Statistics of the batch from those of its chunks of `values[chunk]` values per channel each, in their order; with
  /// `update`, moves the running statistics.
  void finish_forward(const ChunkMoments& moments, std::span<const std::size_t> values, bool update);
  /// Coefficients from the running statistics.
  void use_running_statistics();
  /// Gradients of scale and shift, and the coefficients of the gradient, from the sums (chunk, channel) over `values`
  /// values per channel in all: see kernels::GradientSums.
  void finish_backward(const double* first, const double* second, std::size_t chunks, std::size_t values);

  [[nodiscard]] const float* mean() const { return mean_; }
  [[nodiscard]] const float* scale() const { return scale_; }
  [[nodiscard]] const float* shift() const { return shift_; }
  [[nodiscard]] const float* a() const { return scale_; }
  [[nodiscard]] const float* b() const { return b_; }
  [[nodiscard]] const float* c() const { return c_; }

 private:
  /// Calls body(begin, end) for all channels, in parts on the workers if there are many sums to add up.
  template <typename Body>
  void for_channels(std::size_t chunks, const Body& body);
  void set_coefficients(std::size_t channel, double mean, double variance);
  void move_statistics(std::size_t begin, std::size_t end, double values);

  BatchNorm norm_;
  Parameters& parameters_;
  ThreadPool& pool_;
  std::size_t channels_;
  std::size_t padded_;
  float* mean_ = nullptr;
  float* scale_ = nullptr;
  float* shift_ = nullptr;
  float* b_ = nullptr;
  float* c_ = nullptr;
  double* inverse_deviation_ = nullptr;
  double* work_ = nullptr;  // two vectors
};

}  // namespace convmixer

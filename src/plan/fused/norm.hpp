/// A batch norm within fused stages: from sums over a batch to the coefficients of its channels.
/// Sizes (channel block): see "Words" in HACKING.md.
#pragma once

#include "convmixer/graph/parameters.hpp"
#include "plan/fused/stage_chain.hpp"
#include "plan/placed_memory.hpp"

#include <cstddef>
#include <span>

namespace convmixer::fused {

/// Its statistics and coefficients, see kernels/fused/norm_stage.hpp for the formulas; vectors of padded channels.
class Norm {
 public:
  Norm(const ConvolutionStage& stage, Parameters& parameters);
  Norm(const Norm&) = delete;  // placed memory is set through pointers to its members
  Norm& operator=(const Norm&) = delete;

  void add_memory(PlacedMemory& memory);

  /// Statistics of a channel block from its channels' means and sums of squared distances from them, of `values` values
  /// each; with `update`, moves the running statistics. A frozen norm takes the running ones, and leaves them.
  void finish_forward(std::size_t channel_block, const double* mean, const double* square, double values, bool update);
  /// Coefficients from the running statistics.
  void use_running_statistics();
  /// Gradients of scale and shift of a channel block, and the coefficients of its input's gradient, from S1 and S2 of
  /// its channels, of `values` values each.
  void finish_backward(std::size_t channel_block, const double* gradient_sum, const double* weighted_sum,
                       std::size_t values);

  [[nodiscard]] const float* mean() const { return mean_; }
  [[nodiscard]] const float* scale() const { return scale_; }
  [[nodiscard]] const float* shift() const { return shift_; }
  [[nodiscard]] const float* a() const { return scale_; }
  [[nodiscard]] const float* b() const { return b_; }
  [[nodiscard]] const float* c() const { return c_; }

  [[nodiscard]] ParameterId scale_parameter() const { return norm_.scale; }
  [[nodiscard]] ParameterId shift_parameter() const { return norm_.shift; }

 private:
  void set_coefficients(std::size_t channel, double mean, double variance, std::span<const float> scale,
                        std::span<const float> shift);
  void use_running_statistics(std::size_t first, std::size_t end);
  void move_statistics(std::size_t channel, double square, double values);

  BatchNorm norm_;
  Parameters& parameters_;
  std::size_t channels_;
  std::size_t padded_;
  float* mean_ = nullptr;
  float* scale_ = nullptr;
  float* shift_ = nullptr;
  float* b_ = nullptr;
  float* c_ = nullptr;
  double* inverse_deviation_ = nullptr;
};

}  // namespace convmixer::fused

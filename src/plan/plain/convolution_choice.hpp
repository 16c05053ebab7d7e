/// Which implementation and which layouts each convolution gets: the one place where this is decided.
#pragma once

#include "convmixer/plan/plan_options.hpp"
#include "kernels/onednn/onednn.hpp"

#include <string>

namespace convmixer {

/// How good an implementation is, by its name.
enum class ImplementationClass {
  reference,    ///< plain loops: hundreds of times slower than the machine can
  gemm,         ///< im2col and a matrix product: for depthwise convolutions a matrix-vector product per channel
  vector,       ///< compiled for the CPU's vectors
  matrix_unit,  ///< compiled for the CPU's matrix unit (AMX)
};
[[nodiscard]] ImplementationClass classify_implementation(const std::string& name);

/// Chooses layouts for convolutions: operands in the plan's type, results of forward in f32. It asks oneDNN, and keeps
/// the layout that a tensor already has unless another one gives a better class of implementation.
class ConvolutionChoice {
 public:
  ConvolutionChoice(kernels::Runtime& runtime, LayoutPolicy policy, kernels::ElementType type);

  /// Tells it the convolution with the most work: what oneDNN picks for that one, activations take everywhere they can.
  void set_heaviest(const kernels::ConvolutionProblem& problem);

  /// `src` is the layout that the input has; `fixed_src` false means that a conversion is needed anyway.
  [[nodiscard]] kernels::PlannedConvolution forward(const std::string& node, const kernels::ConvolutionProblem& problem,
                                                    const kernels::Layout& src, bool fixed_src) const;
  /// `src` and `dst` are the layouts of the forward tensors.
  [[nodiscard]] kernels::PlannedConvolution backward_data(const std::string& node,
                                                          const kernels::ConvolutionProblem& problem,
                                                          const kernels::Layout& src, const kernels::Layout& dst) const;
  [[nodiscard]] kernels::PlannedConvolution backward_weights(const std::string& node,
                                                             const kernels::ConvolutionProblem& problem,
                                                             const kernels::Layout& src,
                                                             const kernels::Layout& dst) const;

 private:
  [[nodiscard]] kernels::Layout any(const Shape& shape) const;

  kernels::Runtime& runtime_;
  LayoutPolicy policy_;
  kernels::ElementType type_;
  kernels::Format preferred_ = kernels::Format::channels_last;
};

}  // namespace convmixer

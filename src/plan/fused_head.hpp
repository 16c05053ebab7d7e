/// The end of a chain: mean over the pixels and the linear classifier. The last norm is linear, and the gradient that
/// the mean hands back is the same for all pixels of an image, so that neither reads a pixel: images' means do.
#pragma once

#include "kernels/matrix_product.hpp"
#include "plan/fused_norm.hpp"
#include "plan/placed_memory.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace convmixer {

class FusedHead {
 public:
  FusedHead(const StageChain& chain, Parameters& parameters, kernels::Runtime& runtime, std::size_t batch,
            bool training);

  void add_memory(PlacedMemory& memory);
  [[nodiscard]] std::size_t scratchpad_bytes() const;
  /// Once the memory is placed.
  void prepare(void* scratchpad);

  /// (image, padded channel): each image's mean of the last GELU's values, written by who runs the last stage.
  [[nodiscard]] double* image_means() { return image_means_; }
  [[nodiscard]] float* logits() { return logits_; }
  [[nodiscard]] const std::string& implementation() const { return forward_.implementation(); }

  void forward(const FusedNorm& last);
  /// Gradients of the classifier, and of the last norm: afterwards last.a() etc. are for a gradient of 0 at each pixel
  /// plus pixel_gradients().
  void backward(const float* diff_logits, FusedNorm& last);
  /// (image, padded channel): the last norm's output has this gradient at each pixel.
  [[nodiscard]] const float* pixel_gradients() const { return diff_pooled_; }

 private:
  const StageChain& chain_;
  Parameters& parameters_;
  kernels::Runtime& runtime_;
  std::size_t batch_;
  std::size_t channels_;
  std::size_t padded_;
  bool training_;
  kernels::PlannedProduct forward_;
  kernels::PlannedProduct backward_data_;
  kernels::PlannedProduct backward_weights_;
  std::vector<kernels::Product> products_;  // in the order of the above
  std::vector<kernels::Packing> packings_;
  double* image_means_ = nullptr;
  float* pooled_ = nullptr;
  float* logits_ = nullptr;
  float* diff_pooled_ = nullptr;
  std::byte* packed_ = nullptr;
  double* sums_ = nullptr;
};

}  // namespace convmixer

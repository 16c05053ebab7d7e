/// The end of a chain: mean over the pixels and the linear classifier. The last norm is linear, and the gradient that
/// the mean hands back is the same for all pixels of an image, so that neither reads a pixel: images' means do.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/graph/parameters.hpp"
#include "plan/fused/fused_norm.hpp"
#include "plan/fused/stage_chain.hpp"
#include "plan/placed_memory.hpp"

#include <cstddef>

namespace convmixer {

/// In f32, by own products (kernels/fused/panel_product.hpp): few multiply-adds, and f32 has no matrix unit.
class FusedHead {
 public:
  FusedHead(const StageChain& chain, Parameters& parameters, ThreadPool& pool, std::size_t batch, bool training);

  void add_memory(PlacedMemory& memory);

  /// (image, padded channel): each image's mean of the last GELU's values, written by who runs the last stage.
  [[nodiscard]] double* image_means() { return image_means_; }
  [[nodiscard]] float* logits() { return logits_; }

  void forward(const FusedNorm& last);
  /// Gradients of the classifier, and of the last norm: afterwards last.a() etc. are for a gradient of 0 at each pixel
  /// plus pixel_gradients().
  void backward(const float* diff_logits, FusedNorm& last);
  /// (image, padded channel): the last norm's output has this gradient at each pixel.
  [[nodiscard]] const float* pixel_gradients() const { return diff_pooled_; }

 private:
  void weight_gradient() const;
  void data_gradient();

  const StageChain& chain_;
  Parameters& parameters_;
  ThreadPool& pool_;
  std::size_t batch_;
  std::size_t channels_;
  std::size_t padded_;
  std::size_t padded_classes_;
  bool training_;
  double* image_means_ = nullptr;
  float* pooled_ = nullptr;  // (block of 32 channels, image, channel)
  float* logits_ = nullptr;
  float* packed_ = nullptr;       // weights by panels of classes, or, in backward, of channels
  float* bias_ = nullptr;         // with zeros up to a whole panel
  float* panels_ = nullptr;       // a product: (panel of 32 columns, row, column)
  float* diff_logits_ = nullptr;  // (block of 32 classes, image, class)
  float* diff_pooled_ = nullptr;
  double* sums_ = nullptr;
};

}  // namespace convmixer

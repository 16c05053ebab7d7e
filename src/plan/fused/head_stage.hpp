/// The last stage of a chain: mean over the pixels and the linear classifier.
/// Sizes (chunk, panel, channel block): see "Words" in HACKING.md.
#pragma once

#include "plan/fused/norm.hpp"
#include "plan/fused/stage_chain.hpp"
#include "plan/fused/stage_context.hpp"
#include "plan/gradient_exchange.hpp"
#include "plan/placed_memory.hpp"

#include <cstddef>
#include <vector>

namespace convmixer::fused {

/// With g, the last GELU's values, N images and P pixels:
///     forward    pooled = norm(mean of g over the pixels) (+ mean of the residual); logits = pooled W' + bias
///     backward   dW = dlogits' pooled; dbias = sum of dlogits over the images; dpooled = dlogits W
/// Sums over the images are added up as in the other stages: by chunk, then in a tree.
/// The last norm is linear, and the gradient that the mean hands back, dpooled / P, is the same for all pixels of an
/// image, so that neither direction reads a pixel: images' means do.
///
/// In f32, by hand-written products (kernels/fused/panel_product.hpp): few multiply-adds, and f32 has no matrix unit.
class HeadStage {
 public:
  HeadStage(const StageContext& context, const StageChain& chain);
  HeadStage(const HeadStage&) = delete;  // placed memory is set through pointers to its members
  HeadStage& operator=(const HeadStage&) = delete;

  void add_memory(PlacedMemory& memory);

  /// For who runs the last stage: an image's mean of g is origin + sum / P, by padded channel.
  void set_image_mean(std::size_t image, const float* origin, const double* sum);
  /// Where the last block has a pointwise residual, for the same one to set: an image's mean of what that adds to the
  /// norm of g, by padded channel.
  [[nodiscard]] double* residual_mean(std::size_t image) {
    return residual_means_ + image * context_.geometry.padded_channels;
  }
  /// (N, classes).
  [[nodiscard]] float* logits() { return logits_; }

  void forward(const Norm& last);
  /// Gradients of the classifier, and of the last norm: afterwards last.a() etc. are for a gradient of 0 at each pixel
  /// plus pixel_gradients(). `diff_logits` is (N, classes).
  void backward(const float* diff_logits, Norm& last);
  /// (image, padded channel): the last norm's output has this gradient at each pixel.
  [[nodiscard]] const float* pixel_gradients() const { return diff_pooled_; }
  /// What ranks add up after step `step`, this backward.
  void add_sums(GradientExchange& exchange, std::size_t step) const;
  /// What is final after backward(), and with ranks after that.
  [[nodiscard]] std::vector<ParameterId> gradients(const Norm& last) const;

 private:
  void pool_images(const Norm& last);
  void bias_sums(const float* diff_logits);
  void weight_gradient(std::size_t channel_block) const;
  void data_gradient(std::size_t channel_block);
  void norm_sums(std::size_t channel_block, const Norm& last);
  void norm_gradient(std::size_t channel_block, Norm& last) const;
  void bias_gradient() const;

  const StageContext& context_;
  const Linear& linear_;
  std::size_t classes_;
  std::size_t padded_classes_;
  bool has_residual_;
  double* image_means_ = nullptr;     // (image, padded channel)
  double* residual_means_ = nullptr;  // likewise
  float* pooled_ = nullptr;           // (channel block, image, channel)
  float* logits_ = nullptr;
  float* packed_ = nullptr;       // weights by panels of classes, or, in backward, of channels
  float* bias_ = nullptr;         // with zeros up to a whole panel
  float* panels_ = nullptr;       // a product: (panel of 32 columns, row, column)
  float* diff_logits_ = nullptr;  // (block of 32 classes, image, class)
  float* diff_pooled_ = nullptr;  // (image, padded channel)
  double* sums_ = nullptr;        // in backward: the last norm's S1 and S2 by padded channel, the biases' by class
};

}  // namespace convmixer::fused

/// ConvMixer as a graph.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/model/model_definition.hpp"

namespace convmixer {

/// Trockman & Kolter, "Patches Are All You Need?", arXiv 2201.09792.
struct ConvMixerConfig {
  /// What normalises each convolution's activations.
  enum class Norm {
    batch,  ///< over the batch and all pixels, as in the paper
    layer,  ///< over the channels of each pixel, with the epsilon of timm's LayerNorm2d, 1e-6
    group,  ///< over each of 32 groups of an image's channels and all pixels (Wu & He, arXiv 1803.08494)
  };
  enum class Activation { gelu, relu };
  /// Where a block adds its input: see make_convmixer.
  enum class Residual { depthwise, both, none };

  int dim = 256;        ///< channels of every block
  int depth = 8;        ///< blocks
  int kernel_size = 5;  ///< depthwise, odd or even
  int patch_size = 2;   ///< kernel and stride of the patch embedding
  Norm norm = Norm::batch;
  Activation activation = Activation::gelu;
  Residual residual = Residual::depthwise;
  float dropout = 0.0F;    ///< of the head's input
  float drop_path = 0.0F;  ///< of the last block's residual branches; those before it have less, by their number
  int image_size = 32;     ///< height and width; pixels past the last whole patch are not seen, as in PyTorch
  int channels = 3;
  int classes = 10;
};

/// Patch embedding -> GELU -> batch norm; `depth` times x + BN(GELU(depthwise(x))) -> BN(GELU(pointwise));
/// global average pool -> linear. Input (N, channels, image_size, image_size), output (N, classes).
/// With norm and activation, n(a(.)) for BN(GELU(.)), the block of
///   residual = depthwise is  h = x + n(a(depthwise(x))),  y = n(a(pointwise(h)));
///   residual = both          h = x + n(a(depthwise(x))),  y = h + n(a(pointwise(h)));
///   residual = none          h = n(a(depthwise(x))),      y = n(a(pointwise(h))).
/// Parameters carry timm's names (`stem.0.weight`, `blocks.3.0.fn.0.weight`, `blocks.3.1.weight`, `head.weight`).
/// Throws Error (usage) naming the setting that is out of range.
[[nodiscard]] Graph make_convmixer(const ConvMixerConfig& config);

/// What the registry has to know of it.
[[nodiscard]] ModelDefinition<ConvMixerConfig> convmixer_definition();

}  // namespace convmixer

/// ConvMixer as a graph.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/model/model_definition.hpp"

namespace convmixer {

/// Trockman & Kolter, "Patches Are All You Need?", arXiv 2201.09792.
struct ConvMixerConfig {
  int dim = 256;        ///< channels of every block
  int depth = 8;        ///< blocks
  int kernel_size = 5;  ///< depthwise, odd or even
  int patch_size = 2;   ///< kernel and stride of the patch embedding
  int image_size = 32;  ///< height and width; pixels past the last whole patch are not seen, as in PyTorch
  int channels = 3;
  int classes = 10;
};

/// Patch embedding -> GELU -> batch norm; `depth` times x + BN(GELU(depthwise(x))) -> BN(GELU(pointwise));
/// global average pool -> linear. Input (N, channels, image_size, image_size), output (N, classes).
/// Parameters carry timm's names (`stem.0.weight`, `blocks.3.0.fn.0.weight`, `blocks.3.1.weight`, `head.weight`).
/// Throws Error (usage) naming the setting that is out of range.
[[nodiscard]] Graph make_convmixer(const ConvMixerConfig& config);

/// What the registry has to know of it.
[[nodiscard]] ModelDefinition<ConvMixerConfig> convmixer_definition();

}  // namespace convmixer

/// MLP-Mixer as a graph.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/model/model_definition.hpp"

namespace convmixer {

/// Tolstikhin et al., "MLP-Mixer: An all-MLP Architecture for Vision", arXiv 2105.01601. By default about as many
/// multiply-adds as the default ConvMixer.
struct MlpMixerConfig {
  int dim = 256;          ///< features of every token
  int depth = 8;          ///< blocks
  int patch_size = 4;     ///< kernel and stride of the patch embedding
  int token_dim = 128;    ///< hidden features of the MLP that mixes tokens
  int channel_dim = 512;  ///< hidden features of the MLP that mixes channels
  int image_size = 32;    ///< height and width; pixels past the last whole patch are not seen, as in PyTorch
  int channels = 3;
  int classes = 10;
  float dropout = 0.0F;    ///< share of the head's inputs that a training step drops
  float drop_path = 0.0F;  ///< share of images that it drops the last block's branches for, see drop_path_rate
};

/// Patch embedding; `depth` times x + MLP(LN(x)^T)^T, then x + MLP(LN(x)), an MLP being linear -> GELU -> linear; LN,
/// mean over the tokens, linear. Input (N, channels, image_size, image_size), output (N, classes). The weights of the
/// MLPs that mix tokens depend on the number of patches. Parameters carry timm's names (`stem.proj.weight`,
/// `blocks.3.mlp_tokens.fc1.weight`, `norm.weight`, `head.weight`) and are drawn as timm draws them.
/// Throws Error (usage) naming the setting that is out of range.
[[nodiscard]] Graph make_mlp_mixer(const MlpMixerConfig& config);

/// What the registry has to know of it.
[[nodiscard]] ModelDefinition<MlpMixerConfig> mlp_mixer_definition();

}  // namespace convmixer

/// The vision transformer as a graph.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/model/model_definition.hpp"

namespace convmixer {

/// What of the last tokens the classifier reads, in timm's terms `global_pool`.
enum class TokenPooling {
  token,  ///< the class token, normalised
  mean,   ///< the mean of the patches' tokens, normalised: timm's "avg"
};

/// Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", arXiv 2010.11929.
/// By default about as many multiply-adds as the default ConvMixer.
struct VitConfig {
  int dim = 192;       ///< features of every token
  int depth = 6;       ///< blocks
  int heads = 3;       ///< of attention; divide dim
  int mlp_dim = 768;   ///< hidden features of the MLPs
  int patch_size = 4;  ///< kernel and stride of the patch embedding
  TokenPooling pooling = TokenPooling::token;
  bool class_token = true;
  int image_size = 32;  ///< height and width; pixels past the last whole patch are not seen, as in PyTorch
  int channels = 3;
  int classes = 10;
  float dropout = 0.0F;    ///< share of the head's inputs that a training step drops
  float drop_path = 0.0F;  ///< share of images that it drops the last block's branches for, see drop_path_rate
};

/// Patch embedding, class token, position embedding; `depth` times x + proj(attention(qkv(LN(x)))), then
/// x + MLP(LN(x)), an MLP being linear -> GELU -> linear; then either LN, the class token, linear, or the mean of the
/// patches' tokens, LN, linear. Input (N, channels, image_size, image_size), output (N, classes). The position
/// embedding depends on the number of patches. Parameters carry timm's names (`patch_embed.proj.weight`, `cls_token`,
/// `pos_embed`, `blocks.3.attn.qkv.weight`, `norm.weight` or `fc_norm.weight`, `head.weight`) and are drawn as timm
/// draws them. Throws Error (usage) naming the setting that is out of range.
[[nodiscard]] Graph make_vit(const VitConfig& config);

/// What the registry has to know of it.
[[nodiscard]] ModelDefinition<VitConfig> vit_definition();

}  // namespace convmixer

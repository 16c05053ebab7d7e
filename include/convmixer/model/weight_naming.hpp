/// The ways in which programs name a ConvMixer's tensors.
#pragma once

namespace convmixer {

enum class WeightNaming {
  timm,      ///< huggingface/pytorch-image-models, and here: "stem.0.weight", "blocks.3.0.fn.0.weight", "head.weight"
  locuslab,  ///< locuslab/convmixer, one Sequential: "0.weight", "6.0.fn.0.weight", "13.weight" (8 blocks' head)
  paper,     ///< its short form, of Sequentials alone: "0.0.weight", "4.0.0.0.weight", "11.weight"
  labml,     ///< labml.ai: "patch_emb.conv.weight", "conv_mixer_layers.3.depth_wise_conv.weight"
};

}  // namespace convmixer

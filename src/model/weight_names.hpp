/// Names that other programs give a model's tensors.
#pragma once

#include "convmixer/io/tensor_file.hpp"

#include <map>
#include <string>

namespace convmixer {

/// What a file's tensors are called here, by the names they have there; without those that keep theirs. Names that all
/// begin alike, as wrappers leave them ("module.", "_orig_mod.model."), lose that beginning, as far as it ends with a
/// dot. ConvMixers written in the ways below get timm's names; of any other file, only the beginning is changed.
///
/// - timm: "stem.0.weight", "blocks.3.0.fn.0.weight", "head.weight".
/// - locuslab/convmixer, one Sequential: "0.weight", "6.0.fn.0.weight", "13.weight" (the head of 8 blocks).
/// - the paper's short form, a Sequential whose parts are Sequentials: "0.0.weight", "4.0.0.0.weight", "11.weight".
/// - labml.ai's: "patch_emb.conv.weight", "conv_mixer_layers.3.depth_wise_conv.weight", "classification.linear.weight".
[[nodiscard]] std::map<std::string, std::string> names_here(const TensorFile& file);

}  // namespace convmixer

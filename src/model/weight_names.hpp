/// Names that other programs give a model's tensors.
#pragma once

#include "convmixer/io/tensor_file.hpp"
#include "convmixer/model/weight_naming.hpp"

#include <map>
#include <span>
#include <string>

namespace convmixer {

/// What a file's tensors are called here, by the names they have there; without those that keep theirs. ConvMixers that
/// are named in one of the ways of WeightNaming get timm's names, and lose what wrappers have put before them
/// ("module.", "_orig_mod.model."); other tensors beside them, such as AveragedModel's "n_averaged", keep their names.
/// In any other file, names that all begin alike lose that beginning, as far as it ends with a dot.
[[nodiscard]] std::map<std::string, std::string> names_here(const TensorFile& file);

/// The other way round: what tensors with these names, a whole network's, are called there, by the names they have
/// here; nothing for timm's names. Throws Error (usage) for a tensor that isn't a ConvMixer's.
[[nodiscard]] std::map<std::string, std::string> names_there(WeightNaming naming, std::span<const std::string> names);

}  // namespace convmixer

/// Weights files of this and other programs.
#pragma once

#include "convmixer/io/tensor_file.hpp"

#include <filesystem>

namespace convmixer {

/// Opens a safetensors file or what torch.save wrote (told by its first bytes). Tensors of another program's file,
/// and of one exported with its names, have the names that they would have here (model/weight_names.hpp). Throws Error
/// naming the file.
[[nodiscard]] TensorFile open_weights(const std::filesystem::path& path);

}  // namespace convmixer

/// What the tensors of a weights file say of a model's sizes.
#pragma once

#include "convmixer/core/shape.hpp"
#include "convmixer/io/tensor_file.hpp"

#include <string>
#include <string_view>

namespace convmixer {

/// Shape of a tensor that every model of a kind ("a ConvMixer") has: of this rank, its extents positive and such that
/// they fit an int. Throws Error naming file and tensor for another, and for a tensor that isn't there.
[[nodiscard]] Shape positive_shape(const TensorFile& file, const std::string& name, int rank, std::string_view kind);

/// One more than the highest number, below `most`, of the tensors named before + number + after; 0 without any. One
/// that is missing in between is found missing when the weights are loaded.
[[nodiscard]] int count_numbered(const TensorFile& file, std::string_view before, std::string_view after, int most);

}  // namespace convmixer

/// Sizes of models that cut images into patches.
#pragma once

#include "convmixer/core/error.hpp"
#include "convmixer/io/tensor_file.hpp"

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

namespace convmixer {

/// One of a model's sizes, and what it may be at most; at least it is 1.
struct SizeLimit {
  std::string_view name;  ///< of the option
  int value;
  int most;
};

/// Throws Error (usage) naming the size that is out of range.
inline void check_limit(const SizeLimit& limit) {
  if (limit.value >= 1 && limit.value <= limit.most) return;
  fail_usage("{} = {}: expected a number from 1 to {}", limit.name, limit.value, limit.most);
}

/// Throws Error (usage) for a patch that is larger than the image.
inline void check_patch_fits(int patch_size, int image_size) {
  if (patch_size <= image_size) return;
  fail_usage("patch-size = {}: a patch does not fit into an image of {}x{}", patch_size, image_size, image_size);
}

/// Height and width of a square image of so many patches. Throws Error naming the tensor that says how many, if there
/// is none.
[[nodiscard]] inline int image_size_of(const TensorFile& file, const std::string& tensor, std::int64_t patches,
                                       std::int64_t patch_size) {
  const std::int64_t side = std::llround(std::sqrt(static_cast<double>(patches)));
  if (side * side != patches)
    fail("{}: tensor {}: is for {} patches of an image, expected those of a square one", file.path().string(), tensor,
         patches);
  return static_cast<int>(side * patch_size);
}

}  // namespace convmixer

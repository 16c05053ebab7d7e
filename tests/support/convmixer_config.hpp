/// Small ConvMixers for tests.
#pragma once

#include "convmixer/model/convmixer.hpp"

namespace convmixer::testing_support {

/// One of seven classes, which takes RGB images of `image` x `image` pixels.
inline ConvMixerConfig convmixer_config(int dim, int depth, int kernel, int patch, int image) {
  return {.dim = dim,
          .depth = depth,
          .kernel_size = kernel,
          .patch_size = patch,
          .image_size = image,
          .channels = 3,
          .classes = 7};
}

}  // namespace convmixer::testing_support

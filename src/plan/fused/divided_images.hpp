/// Which images of a batch all workers share at inference.
#pragma once

#include <cstddef>

namespace convmixer::fused {

/// How many of the batch's last images are divided among all workers. The others are done whole, one at a time by each
/// worker: that needs no meetings. But where fewer images are left than there are workers, some would have nothing to
/// do; up to three quarters as many are divided. (Two workers do one image 1.8 times as fast as one does.)
[[nodiscard]] constexpr std::size_t divided_images(std::size_t images, std::size_t workers) {
  const std::size_t left = images % workers;
  return 4 * left <= 3 * workers ? left : 0;
}

}  // namespace convmixer::fused

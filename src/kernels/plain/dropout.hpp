/// Dropout and stochastic depth as hand-written kernels. What is dropped is drawn again for the gradient, which needs
/// no mask in memory then.
#pragma once

#include "kernels/onednn/onednn.hpp"

#include <cstdint>

namespace convmixer::kernels {

/// See DropoutDraws (plan/dropout_draws.hpp), which says how numbers are drawn.
struct DropoutProblem {
  float rate;
  std::uint64_t seed;  ///< the node's own
  std::int64_t update;
  std::int64_t first_image;
};

/// The seed of a node, whose output is this tensor.
[[nodiscard]] std::uint64_t dropout_seed(std::uint64_t seed, int tensor);

/// dst = 0 or src / (1 - rate), each value by itself, or all of an image together. src and dst, which may be src, are
/// of one layout: (N, C, H, W), or row-major with N first.
void drop_values(Runtime& runtime, const Layout& layout, const DropoutProblem& problem, const void* src, void* dst);
void drop_images(Runtime& runtime, const Layout& layout, const DropoutProblem& problem, const void* src, void* dst);

}  // namespace convmixer::kernels

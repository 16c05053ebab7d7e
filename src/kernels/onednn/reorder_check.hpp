/// A test of oneDNN's reorders on this machine, made when a plan is: a wrong one gives wrong results without a word.
#pragma once

#include "kernels/onednn/onednn.hpp"

#include <cstddef>
#include <span>

namespace convmixer::kernels {

/// Copies numbers with the reorder that a plan will use for weights (`from` is plain) or their gradients (`to` is
/// plain, both are f32). Throws Error if some are lost.
void expect_faithful_reorder(Runtime& runtime, const Layout& from, const Layout& to);

/// How many of the numbers that were sent, whole ones from 1 to 255, are not among those received, wherever they are.
[[nodiscard]] std::size_t lost_values(std::span<const float> sent, std::span<const float> received);

/// Throws Error, naming the layouts' shape, if values were lost.
void expect_none_lost(const Shape& shape, std::size_t lost);

}  // namespace convmixer::kernels

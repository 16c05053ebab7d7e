/// The update of averaged weights, each value read once.
#pragma once

#include <cstddef>

namespace convmixer::kernels {

/// averages = torch.lerp(averages, values, 1 - decay), of `count` numbers each; `decay` from 0 to 1:
///     decay > 1/2: a += (1 - decay) * (v - a)
///     else:        a  = v - decay * (v - a)
/// A decay of 0 copies to the bit. Each value's arithmetic is the same wherever it lies.
void average_update(const float* values, float* averages, std::size_t count, double decay);

}  // namespace convmixer::kernels

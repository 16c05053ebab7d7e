/// Random shares for mixup and cutmix.
#pragma once

#include "convmixer/core/rng.hpp"

namespace convmixer {

/// A draw of Beta(alpha, alpha), alpha > 0, in [0, 1]: G / (G + G') for two draws of Gamma(alpha), by their logarithms,
/// because those of a small alpha are too small for a double. Gamma after Marsaglia and Tsang, "A simple method for
/// generating gamma variables", 2000.
[[nodiscard]] double draw_symmetric_beta(double alpha, Rng& rng);

}  // namespace convmixer

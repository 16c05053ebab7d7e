/// What the filters of depthwise convolutions begin as.
#pragma once

#include "convmixer/graph/parameters.hpp"

#include <cstdint>

namespace convmixer {

enum class DepthwiseInitialisation {
  standard,  ///< as Parameters::initialise leaves them: every tap by itself, uniform
  gaussian,  ///< draws from a Gaussian whose taps are strong near the centre and alike near each other
  impulse,   ///< one tap of sqrt(1/3) anywhere, all others 0 (osiriszjq/impulse_init, arXiv 2401.12511)
};

/// The covariance of taps p and q of a K x K filter, in pixels from its upper left corner:
///   s_p s_q exp(-|p - q|^2 / (2 l^2)),  s_p = exp(-|p - c|^2 / (2 s^2)),  c = ((K - 1) / 2, (K - 1) / 2),
/// with s = sigma K and l = length K, scaled to a trace of 1/3, which that of the standard initialisation is. In the
/// spirit of Trockman, Willmott & Kolter, "Understanding the covariance structure of convolutional filters",
/// arXiv 2210.03651: those of trained ConvMixers are such bumps, whose size grows with K.
struct GaussianFilters {
  float sigma = 0.25F;  ///< width of a bump in shares of K; above 0
  float length = 0.2F;  ///< distance over which taps are alike, likewise; above 0
};

/// Draws the weights of all depthwise convolutions anew, by the seed; biases stay. Nothing changes for `standard`.
/// Throws Error (usage) for a network that has none, and for sizes that aren't above 0.
void initialise_depthwise(Parameters& parameters, DepthwiseInitialisation kind, std::uint64_t seed,
                          const GaussianFilters& filters = {});

}  // namespace convmixer

/// The gradients of a graph's parameters by plain loops in double precision: what plans' gradients are checked against.
#pragma once

#include "support/reference_network.hpp"

#include <cstdint>
#include <vector>

namespace convmixer::testing_support {

/// By ParameterId.
struct ReferenceGradients {
  std::vector<std::vector<double>> values;
  /// Of each value, what its parts' sizes add up to: a gradient is a sum over pixels and images, and rounding is
  /// relative to the parts, of which little may be left.
  std::vector<std::vector<double>> sizes;
};

/// Of a training step on `images`, (N, C, H, W), with the loss's gradient by the output, row-major.
[[nodiscard]] ReferenceGradients reference_gradients(const ReferenceNetwork& network, const std::vector<double>& images,
                                                     std::int64_t batch, const std::vector<double>& output_gradient);

}  // namespace convmixer::testing_support

/// How large what a graph describes may be.
#pragma once

#include "convmixer/core/error.hpp"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace convmixer {

// Beyond what any computer can hold or do, and small enough that sums over nodes, batches and bytes stay far inside 64
// bits.
inline constexpr double kMostValues = 0x1p40;        // of a tensor of one image, or of a parameter
inline constexpr double kMostMultiplyAdds = 0x1p48;  // of a node, for one image

/// Throws Error (usage) naming the node unless the product of `extents` is at most `most`.
inline void check_product(const std::string& name, std::string_view what, std::initializer_list<std::int64_t> extents,
                          double most) {
  double product = 1.0;
  for (const std::int64_t extent : extents) product *= static_cast<double>(extent);
  if (product > most) fail_usage("{}: {:.3g} {}, expected at most {:.3g}", name, product, what, most);
}

}  // namespace convmixer

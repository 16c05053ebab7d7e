#include "data/augment/jitter.hpp"

#include <algorithm>
#include <utility>

namespace convmixer {

std::array<ImageOperation, 3> draw_jitter(const JitterOptions& options, Rng& rng) {
  const auto drawn = [&](OperationKind kind, float strength) -> ImageOperation {
    if (strength <= 0.0F) return {};
    return {kind, static_cast<double>(rng.uniform(std::max(0.0F, 1.0F - strength), 1.0F + strength))};
  };
  std::array operations{drawn(OperationKind::brightness, options.brightness),
                        drawn(OperationKind::contrast, options.contrast),
                        drawn(OperationKind::saturation, options.saturation)};
  for (std::uint32_t left = 3; left > 1; --left) std::swap(operations[left - 1], operations[rng.below(left)]);
  return operations;
}

}  // namespace convmixer

/// Reproducible bytes.
#pragma once

#include "convmixer/core/rng.hpp"

#include <cstdint>
#include <vector>

namespace convmixer::testing_support {

[[nodiscard]] inline std::vector<std::uint8_t> random_bytes(std::size_t count, std::uint32_t seed) {
  Rng rng(seed, RandomStream::synthetic_data);
  std::vector<std::uint8_t> bytes(count);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng.below(256));
  return bytes;
}

}  // namespace convmixer::testing_support

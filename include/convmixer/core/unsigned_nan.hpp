/// What is no number, as people read it: "nan", not "-nan".
#pragma once

#include <cmath>

namespace convmixer {

/// For text. 0 / 0 gives a NaN whose sign is set on x86, and formatting would show the sign, which means nothing.
template <typename Float>
[[nodiscard]] Float unsigned_nan(Float value) noexcept {
  return std::isnan(value) ? std::abs(value) : value;
}

}  // namespace convmixer

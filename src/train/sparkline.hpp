/// A curve in a line of text.
#pragma once

#include <span>
#include <string>

namespace convmixer {

/// A character for each value, the higher the larger: the lowest of eight for the least of the values, the highest for
/// the greatest. Unicode's block elements (U+2581 to U+2588, three bytes each), or ASCII characters from light to dark.
/// The values are finite.
[[nodiscard]] std::string sparkline(std::span<const double> values, bool blocks);

}  // namespace convmixer

/// A share as text.
#pragma once

#include <fmt/format.h>

#include <string>

namespace convmixer::tool {

/// "92.69%"
[[nodiscard]] inline std::string percent(double share) { return fmt::format("{:.2f}%", 100.0 * share); }

}  // namespace convmixer::tool

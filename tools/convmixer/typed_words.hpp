/// Commands as a person would type them.
#pragma once

#include <string>
#include <vector>

namespace convmixer::tool {

/// As it can be typed into a shell: quoted where that is needed, words between spaces.
[[nodiscard]] std::string as_typed(const std::vector<std::string>& words);

}  // namespace convmixer::tool

/// What `convmixer --version` says.
#pragma once

#include <string>

namespace convmixer::tool {

/// "convmixer 0.1.0" in the first line; then what it was built with, what it runs with here, and its license.
[[nodiscard]] std::string version_text();

}  // namespace convmixer::tool

/// The TBB that the program runs with.
#pragma once

#include <string>

namespace convmixer {

/// "2021.8".
[[nodiscard]] std::string tbb_version();

}  // namespace convmixer

/// Small good files of every format, to begin from.
#pragma once

#include <string>
#include <vector>

namespace convmixer::fuzz {

/// For the reader of this name (readers.hpp).
[[nodiscard]] std::vector<std::string> seeds(const std::string& reader);

}  // namespace convmixer::fuzz

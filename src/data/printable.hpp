/// Names of files in messages: they may hold anything.
#pragma once

#include <string>
#include <string_view>

namespace convmixer {

/// The name with '?' for control characters, so that a message stays one line.
/// What is beyond 2,000 bytes becomes "...".
[[nodiscard]] std::string printable(std::string_view name);

}  // namespace convmixer

/// Text from a file, fit for a one-line message.
#pragma once

#include <string>

namespace convmixer {

/// In double quotes, with everything but printable ASCII escaped as in JSON.
[[nodiscard]] std::string quoted(const std::string& text);

}  // namespace convmixer

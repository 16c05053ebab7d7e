/// The tool's manual pages, in the language of man(7), made of what its commands say of themselves.
#pragma once

#include "commands.hpp"

#include <span>
#include <string>
#include <vector>

namespace convmixer::tool {

struct ManPage {
  std::string name;  ///< "convmixer-train"
  std::string text;
};

/// "convmixer", then one for each command; all of section 1.
[[nodiscard]] std::vector<ManPage> man_pages(std::span<const Command> commands);

}  // namespace convmixer::tool

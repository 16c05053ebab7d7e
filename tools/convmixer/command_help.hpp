/// What there is to say of a command. Its help, its man page and its completion in a shell are made of it.
#pragma once

#include "convmixer/train/option.hpp"

#include <span>
#include <string>
#include <vector>

namespace convmixer::tool {

/// An option without the variable that it sets.
struct OptionHelp {
  std::string name;                 ///< without its dashes
  std::string value_name;           ///< "N"; "yes|no" for a switch
  std::string help;                 ///< one sentence or more
  std::string initial;              ///< its default; empty if it has none
  std::vector<std::string> values;  ///< those it takes, if they can be listed
};

struct OptionGroupHelp {
  std::string title;
  std::vector<OptionHelp> options;
};

struct CommandHelp {
  std::string usage;        ///< "convmixer eval FILE [--option value ...]"; may have several lines
  std::string description;  ///< paragraphs with empty lines between them; indented lines stand as they are
  std::vector<OptionGroupHelp> groups;
  std::string text;  ///< all of it, for a terminal
};

/// `introduction` is "usage: ", the usage, an empty line and the description. The options' present values are their
/// defaults.
[[nodiscard]] CommandHelp command_help(const std::string& introduction, std::span<const OptionGroup> groups);

/// What a usage names between the command and its options: "WEIGHTS IMAGE..."; empty if there is nothing.
[[nodiscard]] std::string arguments_of(const CommandHelp& help);

}  // namespace convmixer::tool

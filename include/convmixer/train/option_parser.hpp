/// Reads settings from the command line and from INI files, through Boost.Program_options.
#pragma once

#include "convmixer/train/option.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace convmixer {

/// A key that was given a value somewhere.
struct Assignment {
  std::string key;
  std::string value;
  std::string where;  ///< for messages: "configs/labml.ini:12: dim = x", "--dim x"
};

struct CommandLine {
  std::vector<Assignment> settings;    ///< in the order given
  std::vector<std::string> arguments;  ///< words that belong to no option

  /// The value given to a key; nullptr if it wasn't.
  [[nodiscard]] const std::string* find(const std::string& key) const;
};

/// Reads "--key value" and "--key=value". Keys are never abbreviated. Throws Error (usage) for a key that no group
/// has, naming the nearest one, for a key given twice that isn't repeatable and for one without its value.
[[nodiscard]] CommandLine parse_command_line(std::span<const OptionGroup> groups, std::span<const std::string> words);

/// Reads lines "key = value" of UTF-8, with a byte-order mark or not; '#' begins a comment, [headings] divide the file
/// for its reader and mean nothing. Throws Error (usage) naming file and line, likewise; Error when the file can't be
/// read.
[[nodiscard]] std::vector<Assignment> parse_ini_file(std::span<const OptionGroup> groups,
                                                     const std::filesystem::path& path);

/// The same of a text, whatever its keys are; `name` is its file's, for messages.
[[nodiscard]] std::vector<Assignment> parse_ini_text(const std::string& text, const std::string& name);

/// Sets the variables: first those that decide which others apply, then the rest, each in the order given. Throws Error
/// (usage) saying where, what was found and what was expected, and for a key that has no effect beside the others. Keys
/// that no group has are left out.
void assign(std::span<const OptionGroup> groups, std::span<const Assignment> assignments);

/// The groups' options with their present values as defaults, for help.
[[nodiscard]] std::string describe_options(std::span<const OptionGroup> groups);

}  // namespace convmixer

#include "completion.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace convmixer::tool {
namespace {

/// What follows the tables of commands and options in the script. Of "--option=value" readline makes three words.
constexpr std::string_view kComplete = R"bash(
_convmixer() {
  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} option=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "$(_convmixer_commands) help --help --version" -- "$word")
    return
  fi
  if [[ $command == help ]]; then
    ((COMP_CWORD > 2)) || mapfile -t COMPREPLY < <(compgen -W "$(_convmixer_commands)" -- "$word")
    return
  fi
  if [[ $word == "=" ]]; then
    word=
  elif [[ $option == "=" ]]; then
    option=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if [[ $word == -* ]]; then
    local given=" ${COMP_WORDS[*]:2:COMP_CWORD-2} " name names=()
    for name in $(_convmixer_options "$command") --help; do
      [[ $given == *" $name "* ]] || names+=("$name")
    done
    mapfile -t COMPREPLY < <(compgen -W "${names[*]}" -- "$word")
    return
  fi
  [[ $option == --* ]] || option=argument
  local values
  values=$(_convmixer_values "$command" "$option")
  case $values in
    FILES) compopt -o default ;;     # readline's own completion of paths, which knows quotes and blanks
    FOLDERS) compopt -o dirnames ;;  # likewise
    *) mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word") ;;
  esac
}

complete -F _convmixer convmixer
)bash";

/// What a word after the option is completed to; empty where nothing is known.
std::string values_of(const OptionHelp& option) {
  if (!option.values.empty()) return fmt::format("{}", fmt::join(option.values, " "));
  if (option.value_name == "FOLDER") return "FOLDERS";
  if (option.value_name == "PATH" || option.value_name.starts_with("FILE")) return "FILES";
  return {};
}

std::string case_of_values(const Command& command) {
  const CommandHelp help = command.help();
  std::string text;
  if (!arguments_of(help).empty()) text += fmt::format("    {}:argument) echo FILES ;;\n", command.name);
  for (const OptionGroupHelp& group : help.groups) {
    for (const OptionHelp& option : group.options) {
      const std::string values = values_of(option);
      if (!values.empty()) text += fmt::format("    {}:--{}) echo '{}' ;;\n", command.name, option.name, values);
    }
  }
  return text;
}

std::string case_of_options(const Command& command) {
  std::vector<std::string> names;
  for (const OptionGroupHelp& group : command.help().groups) {
    for (const OptionHelp& option : group.options) {
      std::string name = "--" + option.name;  // which several models may have
      if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
    }
  }
  return fmt::format("    {}) echo '{}' ;;\n", command.name, fmt::join(names, " "));
}

}  // namespace

std::string bash_completion(std::span<const Command> commands) {
  std::vector<std::string> names;
  std::string options;
  std::string values;
  for (const Command& command : commands) {
    names.push_back(command.name);
    options += case_of_options(command);
    values += case_of_values(command);
  }
  return fmt::format(
             "# bash completion of convmixer {}, made by 'convmixer help --completion'\n\n"
             "_convmixer_commands() {{ echo '{}'; }}\n\n"
             "_convmixer_options() {{\n  case $1 in\n{}  esac\n}}\n\n"
             "# What is known of the values of an option, or of arguments: them, FILES, or FOLDERS.\n"
             "_convmixer_values() {{\n  case $1:$2 in\n{}  esac\n}}\n",
             CONVMIXER_VERSION, fmt::join(names, " "), options, values) +
         std::string(kComplete);
}

}  // namespace convmixer::tool

#include "command_help.hpp"

#include "convmixer/train/option_parser.hpp"

#include <algorithm>
#include <sstream>
#include <string_view>

namespace convmixer::tool {
namespace {

constexpr std::string_view kUsage = "usage: ";
constexpr std::string_view kParagraph = "\n\n";

OptionHelp help_of(const Option& option) {
  if (option.is_switch()) return {option.name, "yes|no", option.help, option.write(), {"yes", "no"}};
  return {option.name, option.value_name, option.help, option.write(), option.known_values};
}

}  // namespace

CommandHelp command_help(const std::string& introduction, std::span<const OptionGroup> groups) {
  CommandHelp help;
  const std::size_t begin = introduction.starts_with(kUsage) ? kUsage.size() : 0;
  const std::size_t end = std::min(introduction.find(kParagraph), introduction.size());
  help.usage = introduction.substr(begin, end - begin);
  help.description = introduction.substr(std::min(end + kParagraph.size(), introduction.size()));
  while (help.description.ends_with('\n')) help.description.pop_back();
  for (const OptionGroup& group : groups) {
    OptionGroupHelp& described = help.groups.emplace_back(OptionGroupHelp{group.title, {}});
    for (const Option& option : group.options) described.options.push_back(help_of(option));
  }
  help.text = introduction + describe_options(groups);
  return help;
}

std::string arguments_of(const CommandHelp& help) {
  std::istringstream words(help.usage.substr(0, help.usage.find('\n')));
  std::string word;
  words >> word >> word;  // "convmixer eval"
  std::string arguments;
  while (words >> word && !word.starts_with("[--") && !word.starts_with("--"))
    arguments += (arguments.empty() ? "" : " ") + word;
  return arguments;
}

}  // namespace convmixer::tool

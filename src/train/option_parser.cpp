#include "convmixer/train/option_parser.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/given_text.hpp"
#include "convmixer/train/nearest.hpp"

#include <boost/program_options.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

namespace convmixer {
namespace {

namespace po = boost::program_options;

constexpr unsigned kTerminalWidth = 110;
constexpr unsigned kHelpColumn = 60;

/// Two models may have options of one name: help lists both, but a parser must have every name once.
enum class Repeated { listed, left_out };

po::options_description declare(std::span<const OptionGroup> groups, Repeated repeated) {
  po::options_description all(kTerminalWidth, kHelpColumn);
  std::set<std::string> names;
  for (const OptionGroup& group : groups) {
    po::options_description described(group.title, kTerminalWidth, kHelpColumn);
    for (const Option& option : group.options) {
      if (!names.insert(option.name).second && repeated == Repeated::left_out) continue;
      auto* value = po::value<std::string>();
      if (const std::string present = option.write(); !present.empty()) value->default_value(present);
      if (option.is_switch()) {
        value->implicit_value("true", "")->value_name("yes|no");
      } else {
        value->value_name(option.value_name);
      }
      described.add_options()(option.name.c_str(), value, option.help.c_str());
    }
    all.add(described);
  }
  return all;
}

/// The option of this name, of several the one that applies; nullptr if there is none.
const Option* find_option(std::span<const OptionGroup> groups, const std::string& name) {
  const Option* found = nullptr;
  for (const OptionGroup& group : groups) {
    for (const Option& option : group.options) {
      if (option.name != name) continue;
      if (option.applies()) return &option;
      if (found == nullptr) found = &option;
    }
  }
  return found;
}

std::vector<std::string> option_names(std::span<const OptionGroup> groups) {
  std::vector<std::string> names;
  for (const OptionGroup& group : groups) {
    for (const Option& option : group.options) names.push_back(option.name);
  }
  return names;
}

bool is_yes_or_no(const std::string& word) {
  static const std::vector<std::string> words{"true", "false", "yes", "no", "on", "off", "1", "0"};
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// "--nesterov no" as "--nesterov=no", and "--nesterov" alone as "--nesterov=true": Boost would take any next word for
/// a value that may be missing.
std::vector<std::string> join_switch_values(std::span<const OptionGroup> groups, std::span<const std::string> words) {
  std::vector<std::string> joined;
  for (std::size_t i = 0; i < words.size(); ++i) {
    joined.push_back(words[i]);
    if (!words[i].starts_with("--")) continue;
    const Option* const option = find_option(groups, words[i].substr(2));
    if (option == nullptr || !option->is_switch()) continue;
    joined.back() += "=" + (i + 1 < words.size() && is_yes_or_no(words[i + 1]) ? words[++i] : std::string("true"));
  }
  return joined;
}

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// The "key = value" of one line; nothing for blanks, comments and headings.
std::vector<po::option> parse_ini_line(const std::string& line, const std::string& where) {
  std::istringstream stream(line);
  try {
    return po::parse_config_file(stream, po::options_description(), true).options;
  } catch (const po::error&) {
    fail_usage("{}: '{}' is not of the form key = value", where, trimmed(line));
  }
}

/// Calls `use` with every setting and the number of its line.
template <typename Use>
void for_each_setting(const std::string& text, const std::string& name, const Use& use) {
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (trimmed(line).starts_with("[")) continue;
    // Line by line, because Boost's messages don't say which one they are about.
    const std::string where = fmt::format("{}:{}", name, number);
    for (const po::option& option : parse_ini_line(line, where)) {
      const std::string value = option.value.empty() ? std::string() : option.value.front();
      use(Assignment{option.string_key, value, fmt::format("{}: {} = {}", where, option.string_key, value)}, number);
    }
  }
}

void read_value(const Option& option, const Assignment& assignment) {
  if (!option.applies()) fail_usage("{}: has no effect without {}", assignment.where, option.condition);
  if (option.read(assignment.value)) return;
  fail_usage("{}: expected {}{}", assignment.where, option.expected, suggestion(assignment.value, option.known_values));
}

}  // namespace

const std::string* CommandLine::find(const std::string& key) const {
  const auto found =
      std::find_if(settings.begin(), settings.end(), [&](const Assignment& setting) { return setting.key == key; });
  return found == settings.end() ? nullptr : &found->value;
}

CommandLine parse_command_line(std::span<const OptionGroup> groups, std::span<const std::string> words) {
  const po::options_description described = declare(groups, Repeated::left_out);
  CommandLine result;
  try {
    namespace style = po::command_line_style;
    const auto parsed = po::command_line_parser(join_switch_values(groups, words))
                            .options(described)
                            .style(style::allow_long | style::long_allow_adjacent | style::long_allow_next)
                            .allow_unregistered()
                            .run();
    for (const po::option& option : parsed.options) {
      if (option.position_key != -1 || option.string_key.empty()) {
        const std::vector<std::string>& words_here = option.value.empty() ? option.original_tokens : option.value;
        result.arguments.insert(result.arguments.end(), words_here.begin(), words_here.end());
        continue;
      }
      if (option.unregistered) {
        fail_usage("unknown option '--{}'{}", option.string_key, suggestion(option.string_key, option_names(groups)));
      }
      const auto before = std::ranges::find(result.settings, option.string_key, &Assignment::key);
      const bool is_repeated = before != result.settings.end();
      if (is_repeated && !find_option(groups, option.string_key)->is_repeatable)
        fail_usage("option '--{}' is given twice", option.string_key);
      // "--a --b" lacks a value; "--a=--b" has one.
      if (option.value.empty() || (option.value.front().starts_with("--") && option.original_tokens.size() > 1)) {
        fail_usage("option '--{}' needs a value", option.string_key);
      }
      const std::string& value = option.value.front();
      if (value.empty() && find_option(groups, option.string_key)->is_path)
        fail_usage("option '--{}' needs a value: found an empty one, expected a path", option.string_key);
      if (is_repeated) {
        before->value += "," + value;
        before->where += fmt::format(" --{} {}", option.string_key, value);
        continue;
      }
      result.settings.push_back({option.string_key, value, fmt::format("--{} {}", option.string_key, value)});
    }
  } catch (const po::error_with_option_name& error) {
    fail_usage("option '{}' needs a value", error.get_option_name());
  } catch (const po::error& error) {
    fail_usage("{}", error.what());
  }
  return result;
}

std::vector<Assignment> parse_ini_file(std::span<const OptionGroup> groups, const std::filesystem::path& path) {
  std::vector<Assignment> assignments;
  std::map<std::string, int> seen;
  for_each_setting(read_given_text(path), path.string(), [&](Assignment assignment, int number) {
    const std::string where = fmt::format("{}:{}", path.string(), number);
    const std::string& key = assignment.key;
    if (find_option(groups, key) == nullptr) {
      fail_usage("{}: unknown key '{}'{}", where, key, suggestion(key, option_names(groups)));
    }
    if (const auto [first, added] = seen.emplace(key, number); !added) {
      fail_usage("{}: key '{}' is given twice, the first time in line {}", where, key, first->second);
    }
    assignments.push_back(std::move(assignment));
  });
  return assignments;
}

std::vector<Assignment> parse_ini_text(const std::string& text, const std::string& name) {
  std::vector<Assignment> assignments;
  for_each_setting(text, name, [&](Assignment assignment, int) { assignments.push_back(std::move(assignment)); });
  return assignments;
}

void assign(std::span<const OptionGroup> groups, std::span<const Assignment> assignments) {
  for (const bool first : {true, false}) {
    for (const Assignment& assignment : assignments) {
      const Option* const option = find_option(groups, assignment.key);
      if (option != nullptr && option->is_read_first == first) read_value(*option, assignment);
    }
  }
}

std::string describe_options(std::span<const OptionGroup> groups) {
  std::ostringstream text;
  text << declare(groups, Repeated::listed);
  return text.str();
}

}  // namespace convmixer

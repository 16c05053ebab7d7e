#include "convmixer/train/option.hpp"

#include "convmixer/train/duration.hpp"
#include "core/ascii.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace convmixer {
namespace {

/// The whole text as a number, or nothing.
template <typename Number>
std::optional<Number> parse_number(const std::string& text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

template <typename Integer>
Option bounded_integer(const std::string& name, Integer& variable, Integer low, Integer high, const std::string& help) {
  const std::string expected = high == std::numeric_limits<Integer>::max()
                                   ? fmt::format("a whole number of at least {}", low)
                                   : fmt::format("a whole number from {} to {}", low, high);
  return {name,
          "N",
          help,
          expected,
          [&variable, low, high](const std::string& text) {
            const auto number = parse_number<Integer>(text);
            if (!number || *number < low || *number > high) return false;
            variable = *number;
            return true;
          },
          [&variable] { return fmt::format("{}", variable); }};
}

template <typename Number>
Option bounded_number(const std::string& name, Number& variable, Number low, Number high, const std::string& help) {
  const std::string expected = high == std::numeric_limits<Number>::max()
                                   ? fmt::format("a number of at least {}", low)
                                   : fmt::format("a number from {} to {}", low, high);
  return {name,
          "X",
          help,
          expected,
          [&variable, low, high](const std::string& text) {
            const auto number = parse_number<Number>(text);
            if (!number || !(*number >= low && *number <= high)) return false;
            variable = *number;
            return true;
          },
          [&variable] { return fmt::format("{}", variable); }};
}

}  // namespace

Option integer_option(const std::string& name, int& variable, int low, int high, const std::string& help) {
  return bounded_integer(name, variable, low, high, help);
}

Option integer_option(const std::string& name, std::int64_t& variable, std::int64_t low, std::int64_t high,
                      const std::string& help) {
  return bounded_integer(name, variable, low, high, help);
}

Option integer_option(const std::string& name, std::uint64_t& variable, const std::string& help) {
  return bounded_integer(name, variable, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max(), help);
}

Option number_option(const std::string& name, float& variable, float low, float high, const std::string& help) {
  return bounded_number(name, variable, low, high, help);
}

Option number_option(const std::string& name, double& variable, double low, double high, const std::string& help) {
  return bounded_number(name, variable, low, high, help);
}

Option list_option(const std::string& name, std::vector<float>& variable, float low, const std::string& help) {
  return {name,
          "X,X,X",
          help,
          fmt::format("numbers of at least {}, with commas between them", low),
          [&variable, low](const std::string& text) {
            std::vector<float> numbers;
            for (std::size_t begin = 0; !text.empty() && begin <= text.size();) {
              const std::size_t comma = std::min(text.find(',', begin), text.size());
              std::string item = text.substr(begin, comma - begin);
              item.erase(0, std::min(item.find_first_not_of(' '), item.size()));
              const auto number = parse_number<float>(item);
              if (!number || !std::isfinite(*number) || *number < low) return false;
              numbers.push_back(*number);
              begin = comma + 1;
            }
            variable = numbers;
            return true;
          },
          [&variable] { return fmt::format("{}", fmt::join(variable, ",")); }};
}

Option range_option(const std::string& name, float& low, float& high, float least, float most,
                    const std::string& help) {
  return {name,
          "LOW,HIGH",
          help,
          fmt::format("two numbers from {} to {} with a comma between them, the lower first", least, most),
          [&low, &high, name, least, most](const std::string& text) {
            std::vector<float> numbers;
            if (!list_option(name, numbers, least, "").read(text)) return false;
            if (numbers.size() != 2 || numbers[0] > numbers[1] || numbers[1] > most) return false;
            low = numbers[0];
            high = numbers[1];
            return true;
          },
          [&low, &high] { return fmt::format("{},{}", low, high); }};
}

Option switch_option(const std::string& name, bool& variable, const std::string& help) {
  return {name,
          "",
          help,
          "yes or no",
          [&variable](const std::string& text) {
            for (const auto* yes : {"true", "yes", "on", "1"}) {
              if (text == yes) return variable = true;
            }
            for (const auto* no : {"false", "no", "off", "0"}) {
              if (text == no) return !(variable = false);
            }
            return false;
          },
          [&variable] { return std::string(variable ? "true" : "false"); }};
}

Option duration_option(const std::string& name, std::int64_t& variable, const std::string& help) {
  return {name,
          "TIME",
          help,
          "a time such as 2h, 1h30m, 45m, 90s, in whole numbers; one alone is seconds",
          [&variable](const std::string& text) {
            const auto seconds = parse_duration(text);
            if (seconds) variable = *seconds;
            return seconds.has_value();
          },
          [&variable] { return format_duration(variable); }};
}

/// '#' begins a comment in an INI file, and blanks at the ends of a value are none of it: such a text couldn't be
/// written down so that the run starts again from it.
bool fits_ini_file(const std::string& text) {
  if (text.find_first_of("#\n\r") != std::string::npos) return false;
  return text.empty() || !(is_ascii_space(text.front()) || is_ascii_space(text.back()));
}

Option path_option(const std::string& name, std::filesystem::path& variable, const std::string& value_name,
                   const std::string& help) {
  Option option{name,
                value_name,
                help,
                "a path without '#' and line breaks, and no blanks at either end",
                [&variable](const std::string& text) {
                  if (!fits_ini_file(text)) return false;
                  variable = text;
                  return true;
                },
                [&variable] { return variable.string(); }};
  option.is_path = true;
  return option;
}

Option text_option(const std::string& name, std::string& variable, const std::string& help) {
  return {name,
          "TEXT",
          help,
          "a text of at most 2000 bytes without '#' and line breaks, and no blanks at either end",
          [&variable](const std::string& text) {
            constexpr std::size_t kMostBytes = 2000;
            if (!fits_ini_file(text) || text.size() > kMostBytes) return false;
            variable = text;
            return true;
          },
          [&variable] { return variable; }};
}

Option tags_option(const std::string& name, std::vector<std::string>& variable, const std::string& help) {
  Option option{name,
                "TAG",
                help,
                "tags with commas between them, each once, without '#', line breaks and blanks at their ends",
                [&variable](const std::string& text) {
                  std::vector<std::string> tags;
                  for (std::size_t begin = 0; !text.empty() && begin <= text.size();) {
                    const std::size_t end = std::min(text.find(',', begin), text.size());
                    const std::string tag = text.substr(begin, end - begin);
                    if (tag.empty() || !fits_ini_file(tag) || std::ranges::find(tags, tag) != tags.end()) return false;
                    tags.push_back(tag);
                    begin = end + 1;
                  }
                  variable = std::move(tags);
                  return true;
                },
                [&variable] { return fmt::format("{}", fmt::join(variable, ",")); }};
  option.is_repeatable = true;
  return option;
}

Option choice_option(const std::string& name, const std::vector<std::string>& choices,
                     std::function<void(std::size_t)> set, std::function<std::string()> write,
                     const std::string& help) {
  Option option{name,
                "NAME",
                fmt::format("{}; {}", fmt::join(choices, ", "), help),
                fmt::format("one of {}", fmt::join(choices, ", ")),
                [choices, set = std::move(set)](const std::string& text) {
                  const auto found = std::find(choices.begin(), choices.end(), text);
                  if (found == choices.end()) return false;
                  set(static_cast<std::size_t>(found - choices.begin()));
                  return true;
                },
                std::move(write)};
  option.known_values = choices;
  return option;
}

Option choice_option(const std::string& name, std::string& variable, const std::vector<std::string>& choices,
                     const std::string& help) {
  return choice_option(
      name, choices, [&variable, choices](std::size_t index) { variable = choices[index]; },
      [&variable] { return variable; }, help);
}

Option changeable(Option option) {
  option.changeable = true;
  return option;
}

OptionGroup select_options(std::span<const OptionGroup> groups, const std::string& title,
                           std::span<const std::string> names) {
  OptionGroup selection{title, {}};
  for (const OptionGroup& group : groups) {
    for (const Option& option : group.options) {
      if (std::find(names.begin(), names.end(), option.name) != names.end()) selection.options.push_back(option);
    }
  }
  return selection;
}

std::string to_ini(std::span<const OptionGroup> groups) {
  std::string text;
  for (const OptionGroup& group : groups) {
    text += fmt::format("{}# {}\n", text.empty() ? "" : "\n", group.title);
    for (const Option& option : group.options) {
      if (!option.applies()) continue;
      const std::string value = option.write();
      text += fmt::format("{} ={}{}\n", option.name, value.empty() ? "" : " ", value);
    }
  }
  return text;
}

}  // namespace convmixer

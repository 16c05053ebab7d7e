/// Settings by name, each declared once and bound to the variable it sets.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace convmixer {

inline constexpr std::int64_t kAnyInteger = std::numeric_limits<std::int64_t>::max();  ///< where none is too large
inline constexpr float kAnyNumber = std::numeric_limits<float>::max();

/// One setting: a key in an INI file, and an option of the same name on the command line.
struct Option {
  std::string name;        ///< "kernel-size"
  std::string value_name;  ///< what help shows for its value: "N"; empty for yes-or-no settings
  std::string help;
  std::string expected;                          ///< "a whole number from 1 to 64", for messages
  std::function<bool(const std::string&)> read;  ///< sets the variable; false if the text isn't as expected
  std::function<std::string()> write;            ///< the variable as text that `read` gives back exactly
  bool changeable = false;  ///< a run that goes on may have it changed: it has no say in what is computed

  bool is_repeatable = false;  ///< given several times on a command line it is a list, with commas
  bool is_path = false;        ///< empty it means none, which a command line doesn't say: `--data "$UNSET"`
  bool is_read_first = false;  ///< it decides which of the others apply
  std::vector<std::string> known_values{};  ///< a misspelt value is told the nearest of them
  std::string condition{};                  ///< "model = convmixer": the setting without which it has no effect
  std::function<bool()> applies_now{};      ///< whether `condition` holds; always if not set

  [[nodiscard]] bool applies() const { return !applies_now || applies_now(); }
  /// Yes-or-no settings may stand without a value, meaning yes.
  [[nodiscard]] bool is_switch() const noexcept { return value_name.empty(); }
};

/// Settings that belong together, under one heading of the help.
struct OptionGroup {
  std::string title;
  std::vector<Option> options;
};

/// Makers of options; each `variable` must outlive its option. Whole numbers and numbers within [low, high];
/// numbers that are not finite are refused.
[[nodiscard]] Option integer_option(const std::string& name, int& variable, int low, int high, const std::string& help);
[[nodiscard]] Option integer_option(const std::string& name, std::int64_t& variable, std::int64_t low,
                                    std::int64_t high, const std::string& help);
[[nodiscard]] Option integer_option(const std::string& name, std::uint64_t& variable, const std::string& help);
[[nodiscard]] Option number_option(const std::string& name, float& variable, float low, float high,
                                   const std::string& help);
[[nodiscard]] Option number_option(const std::string& name, double& variable, double low, double high,
                                   const std::string& help);
/// Comma-separated finite numbers, at least `low` each; an empty text is an empty list.
[[nodiscard]] Option list_option(const std::string& name, std::vector<float>& variable, float low,
                                 const std::string& help);
/// Two numbers "LOW,HIGH" within [least, most], low <= high.
[[nodiscard]] Option range_option(const std::string& name, float& low, float& high, float least, float most,
                                  const std::string& help);
[[nodiscard]] Option switch_option(const std::string& name, bool& variable, const std::string& help);
/// Seconds written as parse_duration reads them.
[[nodiscard]] Option duration_option(const std::string& name, std::int64_t& variable, const std::string& help);
[[nodiscard]] Option path_option(const std::string& name, std::filesystem::path& variable,
                                 const std::string& value_name, const std::string& help);
/// Any text that stands in one line of an INI file.
[[nodiscard]] Option text_option(const std::string& name, std::string& variable, const std::string& help);
/// Words or several, with commas between them; each once.
[[nodiscard]] Option tags_option(const std::string& name, std::vector<std::string>& variable, const std::string& help);
[[nodiscard]] Option choice_option(const std::string& name, std::string& variable,
                                   const std::vector<std::string>& choices, const std::string& help);
/// A choice among named values: `set` takes the index of the choice, `write` gives the name of the present one.
[[nodiscard]] Option choice_option(const std::string& name, const std::vector<std::string>& choices,
                                   std::function<void(std::size_t)> set, std::function<std::string()> write,
                                   const std::string& help);
template <typename Enum>
[[nodiscard]] Option choice_option(const std::string& name, Enum& variable,
                                   const std::vector<std::pair<std::string, Enum>>& choices, const std::string& help) {
  std::vector<std::string> names;
  for (const auto& choice : choices) names.push_back(choice.first);
  return choice_option(
      name, names, [&variable, choices](std::size_t index) { variable = choices[index].second; },
      [&variable, choices]() -> std::string {
        for (const auto& [choice, value] : choices) {
          if (value == variable) return choice;
        }
        return {};
      },
      help);
}

/// The same option, one that a run that goes on may have changed.
[[nodiscard]] Option changeable(Option option);

/// Those of the groups' options that are named, as one group; names that no group has are left out.
[[nodiscard]] OptionGroup select_options(std::span<const OptionGroup> groups, const std::string& title,
                                         std::span<const std::string> names);

/// The groups as INI text that sets every option that applies as it is now.
[[nodiscard]] std::string to_ini(std::span<const OptionGroup> groups);

}  // namespace convmixer

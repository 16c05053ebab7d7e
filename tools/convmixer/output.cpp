#include "output.hpp"

#include "convmixer/core/printable.hpp"
#include "convmixer/core/standard_streams.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <set>

namespace convmixer::tool {

void print(std::string_view text) { write_text(stdout, text); }

void print_line(std::string_view text) {
  constexpr std::size_t kLongest = 20'000;
  write_text(stdout, printable(text, kLongest) + "\n", true);
}

std::function<void(const std::string&)> each_once(std::function<void(const std::string&)> print_line) {
  return
      [print_line = std::move(print_line), told = std::make_shared<std::set<std::string>>()](const std::string& line) {
        if (told->insert(line).second) print_line(line);
      };
}

std::string with_commas(std::int64_t number) {
  std::string digits = fmt::format("{}", number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t position = digits.size(); position > first + 3;) {
    position -= 3;
    digits.insert(position, 1, ',');
  }
  return digits;
}

std::string byte_size(std::int64_t bytes) {
  constexpr std::array<const char*, 4> kUnits{"bytes", "KiB", "MiB", "GiB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= 1024.0 && unit + 1 < kUnits.size()) {
    size /= 1024.0;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} bytes", bytes) : fmt::format("{:.1f} {}", size, kUnits[unit]);
}

std::string format_rows(const Rows& rows, bool colour) {
  std::size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.first.size());
  std::string text;
  for (const auto& [name, value] : rows) {
    text += fmt::format("  {}{:<{}}{}  {}\n", colour ? "\x1b[1m" : "", name, width, colour ? "\x1b[0m" : "", value);
  }
  return text;
}

}  // namespace convmixer::tool

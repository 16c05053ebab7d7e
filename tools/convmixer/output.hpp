/// Text on standard output. Writing never fails here: main looks at what became of it once, at the end.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace convmixer::tool {

void print(std::string_view text);

/// A line of text that may hold anybody's names, at once: something that takes its time may follow.
void print_line(std::string_view text);

template <typename... Args>
void print_format(fmt::format_string<Args...> format, Args&&... args) {
  print(fmt::format(format, std::forward<Args>(args)...));
}

/// Passes a line on unless it did so before: the two splits of a data set have much the same to tell.
[[nodiscard]] std::function<void(const std::string&)> each_once(std::function<void(const std::string&)> print_line);

/// "594,186".
[[nodiscard]] std::string with_commas(std::int64_t number);
/// "518.3 MiB", "9.1 KiB".
[[nodiscard]] std::string byte_size(std::int64_t bytes);

/// Lines of a name and what there is to say about it.
using Rows = std::vector<std::pair<std::string, std::string>>;

/// The rows, their names in one column, in bold if `colour`.
[[nodiscard]] std::string format_rows(const Rows& rows, bool colour);

}  // namespace convmixer::tool

#include "io/tensor_list.hpp"

#include "io/quoted.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

namespace convmixer {
namespace {

constexpr std::size_t kLongestPart = 120;  // of a name; files of others may have names of any length
constexpr std::size_t kMostRanges = 12;
constexpr std::size_t kMostEntries = 100;  // that are kept; a file may have any number of odd tensors

/// The first component of a name that is a number, as "4" in "blocks.4.1.bias".
struct Number {
  std::size_t begin;
  std::size_t end;
  std::int64_t value;
};

std::optional<Number> first_number(std::string_view name) {
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    std::int64_t value = 0;
    const auto [rest, error] = std::from_chars(name.data() + begin, name.data() + end, value);
    const bool has_one_spelling = end - begin == 1 || (end > begin && name[begin] != '0');
    if (error == std::errc{} && rest == name.data() + end && value >= 0 && has_one_spelling)
      return {{begin, end, value}};
    begin = end + 1;
  }
  return std::nullopt;
}

/// "4-7,9".
std::string ranges(std::vector<std::int64_t> numbers) {
  std::ranges::sort(numbers);
  std::string text;
  std::size_t written = 0;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] <= numbers[last] + 1) ++last;
    if (written++ == kMostRanges) return text + ",...";
    text += fmt::format("{}{}", text.empty() ? "" : ",", numbers[i]);
    if (numbers[last] > numbers[i]) text += fmt::format("-{}", numbers[last]);
    i = last + 1;
  }
  return text;
}

std::string shown(std::string_view part) {
  const std::string escaped = quoted(std::string(part.substr(0, kLongestPart)));
  return escaped.substr(1, escaped.size() - 2) + (part.size() > kLongestPart ? "..." : "");
}

}  // namespace

void TensorList::add(std::string_view name, std::string_view detail) {
  ++count_;
  const std::optional<Number> number = first_number(name);
  const std::string_view before = number ? name.substr(0, number->begin) : name;
  const std::string_view after = number ? name.substr(number->end) : std::string_view();
  const auto is_alike = [&](const Entry& entry) {
    return number && !entry.numbers.empty() && entry.before == before && entry.after == after && entry.detail == detail;
  };
  auto found = std::ranges::find_if(entries_, is_alike);
  if (found == entries_.end()) {
    if (entries_.size() == kMostEntries) return;
    entries_.push_back({std::string(before), std::string(after), std::string(detail), {}, 0});
    found = std::prev(entries_.end());
  }
  ++found->count;
  if (number) found->numbers.push_back(number->value);
}

std::string TensorList::text(std::size_t most_bytes) const {
  std::string text;
  std::size_t listed = 0;
  for (const Entry& entry : entries_) {
    if (text.size() >= most_bytes) return fmt::format("{} and {} more", text, count_ - listed);
    text += fmt::format("{}{}{}{}{}", text.empty() ? "" : ", ", shown(entry.before), ranges(entry.numbers),
                        shown(entry.after), entry.detail);
    listed += entry.count;
  }
  if (listed < count_) text += fmt::format(" and {} more", count_ - listed);
  return text;
}

}  // namespace convmixer

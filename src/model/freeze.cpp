#include "convmixer/model/freeze.hpp"

#include "convmixer/core/error.hpp"
#include "core/ascii.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <system_error>

namespace convmixer {
namespace {

std::optional<int> number_in(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

/// "blocks.3" of "blocks.3.0.fn.0", "stem" of "stem.0": a number belongs to the part if more follows.
std::string part_of(std::string_view node) {
  const std::size_t dot = node.find('.');
  if (dot == std::string_view::npos) return std::string(node);
  const std::size_t end = node.find('.', dot + 1);
  const bool is_numbered = end != std::string_view::npos && number_in(node.substr(dot + 1, end - dot - 1));
  return std::string(node.substr(0, is_numbered ? end : dot));
}

/// "blocks" and 3 of "blocks.3"; no number for other parts.
struct PartName {
  std::string_view family;
  std::optional<int> number;
};

PartName split(std::string_view part) {
  const std::size_t dot = part.rfind('.');
  const std::optional<int> number = dot == std::string_view::npos ? std::nullopt : number_in(part.substr(dot + 1));
  return number ? PartName{part.substr(0, dot), number} : PartName{part, std::nullopt};
}

/// Of the parts, those that one word of a list names: a part, a range of numbers, or all numbers.
std::vector<std::string> named_by(std::string_view word, const std::vector<std::string>& parts) {
  std::vector<std::string> named;
  const std::size_t dot = word.rfind('.');
  const std::size_t dash = dot == std::string_view::npos ? dot : word.find('-', dot);
  std::optional<int> first;
  std::optional<int> last;
  if (dash != std::string_view::npos) {
    first = number_in(word.substr(dot + 1, dash - dot - 1));
    last = number_in(word.substr(dash + 1));
  }
  for (const std::string& part : parts) {
    const PartName name = split(part);
    const bool is_it = part == word || (name.number && name.family == word);
    const bool is_in_range = first && last && name.number && name.family == word.substr(0, dot) &&
                             *name.number >= *first && *name.number <= *last;
    if (is_it || is_in_range) named.push_back(part);
  }
  // Both ends of a range must be there.
  if (first && last && static_cast<std::int64_t>(named.size()) != std::int64_t{*last} - *first + 1) return {};
  return named;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_ascii_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_ascii_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

std::vector<std::string> parts_of(const Graph& graph) {
  std::vector<std::string> parts;
  for (const Node& node : graph.nodes()) {
    if (parameters_of(node).empty()) continue;
    std::string part = part_of(node.name);
    if (std::ranges::find(parts, part) == parts.end()) parts.push_back(std::move(part));
  }
  return parts;
}

std::vector<std::string> frozen_parts(const Graph& graph, std::string_view list) {
  const std::vector<std::string> parts = parts_of(graph);
  std::vector<std::string> frozen;
  for (std::size_t begin = 0; !list.empty() && begin <= list.size();) {
    const std::size_t comma = std::min(list.find(',', begin), list.size());
    const std::string_view word = trimmed(list.substr(begin, comma - begin));
    const std::vector<std::string> named = named_by(word, parts);
    if (named.empty()) {
      fail_usage("freeze = {}: no part '{}', expected some of {}, with commas between them", list, word,
                 describe_parts(parts));
    }
    frozen.insert(frozen.end(), named.begin(), named.end());
    begin = comma + 1;
  }
  std::vector<std::string> in_order;
  for (const std::string& part : parts)
    if (std::ranges::find(frozen, part) != frozen.end()) in_order.push_back(part);
  if (in_order.size() == parts.size()) fail_usage("freeze = {}: nothing would be left to train", list);
  return in_order;
}

void freeze(Graph& graph, std::string_view list) {
  const std::vector<std::string> frozen = frozen_parts(graph, list);
  std::vector<std::string> nodes;
  for (const Node& node : graph.nodes())
    if (std::ranges::find(frozen, part_of(node.name)) != frozen.end()) nodes.push_back(node.name);
  for (const std::string& node : nodes) graph.freeze(node);
}

std::string describe_parts(const std::vector<std::string>& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const PartName first = split(parts[i]);
    std::size_t last = i;
    while (first.number && last + 1 < parts.size()) {
      const PartName next = split(parts[last + 1]);
      if (next.family != first.family || next.number != *first.number + static_cast<int>(last + 1 - i)) break;
      ++last;
    }
    text += fmt::format("{}{}", text.empty() ? "" : ", ", parts[i]);
    if (last > i) text += fmt::format("-{}", *split(parts[last]).number);
    i = last;
  }
  return text;
}

}  // namespace convmixer

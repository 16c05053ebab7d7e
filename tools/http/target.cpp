#include "http/target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace convmixer::http {
namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::optional<std::string> decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      unsigned value = 0;
      const char* const begin = text.data() + i + 1;
      if (text.size() - i < 3) return std::nullopt;
      const auto [end, error] = std::from_chars(begin, begin + 2, value, 16);
      if (error != std::errc() || end != begin + 2) return std::nullopt;
      c = static_cast<char>(value);
      i += 2;
    }
    if (is_control(c)) return std::nullopt;
    result += c;
  }
  return result;
}

/// Whether a part of a path is one that leads elsewhere.
bool leads_elsewhere(std::string_view path) {
  if (path.find('\\') != std::string_view::npos) return true;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    if (part == "." || part == "..") return true;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return false;
}

}  // namespace

std::optional<Request> parse_target(std::string_view target) {
  if (!target.starts_with('/') || target.starts_with("//")) return std::nullopt;
  const std::size_t question = std::min(target.find('?'), target.size());
  const std::optional<std::string> path = decoded(target.substr(0, question));
  if (!path || path->starts_with("//") || leads_elsewhere(*path)) return std::nullopt;
  Request request{*path, {}};
  std::string_view rest = target.substr(std::min(question + 1, target.size()));
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::optional<std::string> name = decoded(part.substr(0, equals));
    const std::optional<std::string> value = decoded(part.substr(std::min(equals + 1, part.size())));
    if (!name || !value) return std::nullopt;
    request.query.emplace(*name, *value);
  }
  return request;
}

std::string percent_encoded(std::string_view bytes) {
  std::string text;
  for (const char c : bytes)
    text += is_plain(c) ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  return text;
}

}  // namespace convmixer::http

#include "io/metadata.hpp"

#include "convmixer/core/error.hpp"
#include "io/quoted.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

namespace convmixer {

namespace {

/// The whole text as a number.
template <typename Number>
std::optional<Number> parse(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string generator() { return "convmixer " CONVMIXER_VERSION; }

bool is_own(const TensorFile& file) {
  const auto program = file.metadata().find("generator");
  return program != file.metadata().end() && program->second.starts_with("convmixer ");
}

std::string metadata_from(double value) { return fmt::format("{}", value); }

std::string metadata_from(std::span<const float> values) { return fmt::format("{}", fmt::join(values, " ")); }

std::string metadata_from(std::span<const std::string> texts) {
  nlohmann::json array = nlohmann::json::array();
  for (const std::string& text : texts) array.push_back(text);
  return array.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::int64_t metadata_int64(const TensorFile& file, const std::string& key, std::int64_t least, std::int64_t most) {
  const auto number = parse<std::int64_t>(file.metadata(key));
  if (!number || *number < least || *number > most) {
    fail("{}: metadata {} = {}: expected a whole number from {} to {}", file.path().string(), key,
         quoted(file.metadata(key)), least, most);
  }
  return *number;
}

double metadata_double(const TensorFile& file, const std::string& key) {
  const auto number = parse<double>(file.metadata(key));
  if (!number) {
    fail("{}: metadata {} = {}: expected a number", file.path().string(), key, quoted(file.metadata(key)));
  }
  return *number;
}

std::vector<float> metadata_floats(const TensorFile& file, const std::string& key) {
  std::vector<float> numbers;
  std::string_view rest = file.metadata(key);
  while (!rest.empty()) {
    const std::size_t length = std::min(rest.find(' '), rest.size());
    const auto number = parse<float>(rest.substr(0, length));
    if (!number || !std::isfinite(*number)) {
      fail("{}: metadata {} = {}: expected numbers separated by blanks", file.path().string(), key,
           quoted(file.metadata(key)));
    }
    numbers.push_back(*number);
    rest.remove_prefix(std::min(length + 1, rest.size()));
  }
  return numbers;
}

std::vector<std::string> metadata_texts(const TensorFile& file, const std::string& key) {
  const nlohmann::json array = nlohmann::json::parse(file.metadata(key), nullptr, false);
  std::vector<std::string> texts;
  bool good = array.is_array();
  for (std::size_t i = 0; good && i < array.size(); ++i) {
    good = array[i].is_string();
    if (good) texts.push_back(array[i].get<std::string>());
  }
  if (!good) {
    fail("{}: metadata {} = {}: expected a JSON array of texts", file.path().string(), key, quoted(file.metadata(key)));
  }
  return texts;
}

}  // namespace convmixer

#include "data/augment/timm_augment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <string_view>

namespace convmixer {

namespace {

constexpr double kHighestMagnitude = TimmAugmentOptions::kHighestMagnitude;
constexpr float kUniformDeviation = 100.0F;  // above it timm draws the magnitude uniformly
constexpr int kRotate = 3;
constexpr int kPosterize = 4;
constexpr int kSolarize = 5;
constexpr int kColor = 7;
constexpr int kSharpness = 10;
constexpr int kShearX = 11;

template <typename Number>
bool read_number(std::string_view text, Number low, Number high, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number >= low && number <= high;
}

/// One part, such as "mstd0.5".
bool read_part(std::string_view part, TimmAugmentOptions& options) {
  const std::size_t digits = std::min(part.find_first_of("0123456789."), part.size());
  const std::string_view key = part.substr(0, digits);
  const std::string_view value = part.substr(digits);
  if (key == "m") return read_number(value, 0.0F, static_cast<float>(kHighestMagnitude), options.magnitude);
  if (key == "n") return read_number(value, 1, TimmAugmentOptions::kMostOperations, options.operations);
  if (key == "mstd") return read_number(value, 0.0F, 1e6F, options.deviation);
  if (key == "p") return read_number(value, 0.0F, 1.0F, options.probability);
  int increasing = 0;
  if (key != "inc" || !read_number(value, 0, 1, increasing)) return false;
  options.increasing = increasing == 1;
  return true;
}

/// The shortest text that is read back as this number, without an exponent: its "-" would be a part's end.
std::string to_text(float number) {
  std::array<char, 128> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  return {text.data(), end};
}

double draw_magnitude(const TimmAugmentOptions& options, Rng& rng) {
  auto magnitude = static_cast<double>(options.magnitude);
  if (options.deviation > kUniformDeviation) {
    magnitude *= static_cast<double>(rng.uniform());
  } else if (options.deviation > 0.0F) {
    magnitude += static_cast<double>(options.deviation) * static_cast<double>(rng.normal());
  }
  return std::clamp(magnitude, 0.0, kHighestMagnitude);
}

}  // namespace

std::optional<TimmAugmentOptions> parse_timm_augment(const std::string& text) {
  TimmAugmentOptions options;
  if (text == "off") return options;
  std::string_view rest = text;
  if (rest.substr(0, rest.find('-')) != "rand") return std::nullopt;
  options.operations = 2;
  while (rest.find('-') != std::string_view::npos) {
    rest.remove_prefix(rest.find('-') + 1);
    if (!read_part(rest.substr(0, rest.find('-')), options)) return std::nullopt;
  }
  return options;
}

std::string to_string(const TimmAugmentOptions& options) {
  if (options.operations == 0) return "off";
  const TimmAugmentOptions usual;
  std::string text = fmt::format("rand-m{}", to_text(options.magnitude));
  if (options.operations != 2) text += fmt::format("-n{}", options.operations);
  if (options.deviation != usual.deviation) text += fmt::format("-mstd{}", to_text(options.deviation));
  if (options.probability != usual.probability) text += fmt::format("-p{}", to_text(options.probability));
  if (options.increasing) text += "-inc1";
  return text;
}

TimmAugment::TimmAugment(const TimmAugmentOptions& options, const ImageShape& shape)
    : options_(options), shape_(shape) {}

ImageOperation TimmAugment::operation(int index, double magnitude, bool negative, Interpolation interpolation) const {
  assert(index >= 0 && index < kOperations && magnitude >= 0.0 && magnitude <= kHighestMagnitude);
  const double level = magnitude / kHighestMagnitude;
  const double sign = negative ? -1.0 : 1.0;
  // Colour, contrast, brightness, sharpness: away from 1 either way, or from 0.1 to 1.9.
  const double factor = options_.increasing ? std::max(0.1, 1.0 + sign * (level * 0.9)) : level * 1.8 + 0.1;
  const double bits = std::trunc(level * 4);
  const double threshold = std::trunc(level * 256);
  switch (index) {
    case 0:
      return {OperationKind::auto_contrast};
    case 1:
      return {OperationKind::equalize};
    case 2:
      return {OperationKind::invert};
    case kRotate:
      return {OperationKind::rotate, sign * (level * 30.0), interpolation};
    case kPosterize:
      return {OperationKind::posterize, options_.increasing ? 4 - bits : bits};
    case kSolarize:
      return {OperationKind::solarize, options_.increasing ? 256 - threshold : threshold};
    case 6:
      return {OperationKind::solarize_add, std::trunc(level * 110)};
    case kColor:
      return {OperationKind::saturation, factor};
    case 8:
      return {OperationKind::contrast, factor};
    case 9:
      return {OperationKind::brightness, factor};
    case kSharpness:
      return {OperationKind::sharpness, factor};
    case kShearX:
      return {OperationKind::shear_x, sign * (level * 0.3), interpolation};
    case 12:
      return {OperationKind::shear_y, sign * (level * 0.3), interpolation};
    case 13:
      return {OperationKind::translate_x, sign * (level * 0.45) * shape_.width, interpolation};
    default:
      return {OperationKind::translate_y, sign * (level * 0.45) * shape_.height, interpolation};
  }
}

ImageOperation TimmAugment::draw(Rng& rng) const {
  const auto index = static_cast<int>(rng.below(kOperations));
  if (rng.uniform() >= options_.probability) return {};
  const bool has_magnitude = index >= kRotate;
  const bool moves = index == kRotate || index >= kShearX;
  const bool has_direction = moves || (options_.increasing && index >= kColor && index <= kSharpness);
  const double magnitude = has_magnitude ? draw_magnitude(options_, rng) : 0.0;
  const bool negative = has_direction && rng.below(2) == 1;
  const bool is_cubic = moves && rng.below(2) == 1;
  return operation(index, magnitude, negative, is_cubic ? Interpolation::bicubic : Interpolation::bilinear);
}

}  // namespace convmixer

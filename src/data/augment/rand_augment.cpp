#include "data/augment/rand_augment.hpp"

#include <fmt/format.h>

#include <cassert>
#include <charconv>
#include <cmath>
#include <numbers>

namespace convmixer {

namespace {

constexpr int kFirstSigned = 1;  // operations [1, 10) have a direction
constexpr int kLastSigned = 10;

/// torch.linspace(begin, end, 31)[bin]: in f32, fused, from the nearer end.
float linspace(double begin, double end, int bin) {
  constexpr int kLast = RandAugmentOptions::kBins - 1;
  const auto first = static_cast<float>(begin);
  const auto last = static_cast<float>(end);
  const float step = (last - first) / static_cast<float>(kLast);
  if (bin < RandAugmentOptions::kBins / 2) return std::fma(step, static_cast<float>(bin), first);
  return std::fma(-step, static_cast<float>(kLast - bin), last);
}

double radians(double degrees) { return degrees * (std::numbers::pi / 180.0); }

/// The way torchvision takes from a shear to the matrix: through the angle in degrees.
double through_angle(double shear) { return radians(std::atan(shear) * (180.0 / std::numbers::pi)); }

ImageOperation operation_at(int index, int magnitude, double sign, const ImageShape& shape) {
  const auto value = [&](double most) { return sign * static_cast<double>(linspace(0.0, most, magnitude)); };
  const auto translation = [&](int size) { return -std::trunc(value(150.0 / 331.0 * size)); };
  switch (index) {
    case 1:
      return {OperationKind::shear_x, std::tan(through_angle(value(0.3)))};
    case 2: {
      const double angle = through_angle(value(0.3));
      return {OperationKind::shear_y, std::sin(angle) / std::cos(angle)};
    }
    case 3:
      return {OperationKind::translate_x, translation(shape.width)};
    case 4:
      return {OperationKind::translate_y, translation(shape.height)};
    case 5:
      return {OperationKind::rotate, value(30.0)};
    case 6:
      return {OperationKind::brightness, 1.0 + value(0.9)};
    case 7:
      return {OperationKind::saturation, 1.0 + value(0.9)};
    case 8:
      return {OperationKind::contrast, 1.0 + value(0.9)};
    case 9:
      return {OperationKind::sharpness, 1.0 + value(0.9)};
    case 10:
      return {OperationKind::posterize, 8.0 - std::nearbyint(magnitude / 7.5)};
    case 11:
      return {OperationKind::solarize, static_cast<double>(linspace(255.0, 0.0, magnitude))};
    case 12:
      return {OperationKind::auto_contrast};
    case 13:
      return {OperationKind::equalize};
    default:
      return {};
  }
}

}  // namespace

std::optional<RandAugmentOptions> parse_rand_augment(const std::string& text) {
  if (text == "off") return RandAugmentOptions{};
  RandAugmentOptions options;
  const char* const end = text.data() + text.size();
  const auto operations = std::from_chars(text.data(), end, options.operations);
  if (operations.ec != std::errc{} || operations.ptr == end || *operations.ptr != ',') return std::nullopt;
  const char* begin = operations.ptr + 1;
  while (begin != end && *begin == ' ') ++begin;
  const auto magnitude = std::from_chars(begin, end, options.magnitude);
  if (magnitude.ec != std::errc{} || magnitude.ptr != end) return std::nullopt;
  if (options.operations < 1 || options.operations > RandAugmentOptions::kMostOperations) return std::nullopt;
  if (options.magnitude < 0 || options.magnitude >= RandAugmentOptions::kBins) return std::nullopt;
  return options;
}

std::string to_string(const RandAugmentOptions& options) {
  return options.operations == 0 ? "off" : fmt::format("{},{}", options.operations, options.magnitude);
}

RandAugment::RandAugment(int magnitude, const ImageShape& shape) {
  assert(magnitude >= 0 && magnitude < RandAugmentOptions::kBins);
  for (int index = 0; index < kOperations; ++index)
    operations_[static_cast<std::size_t>(index)] = {operation_at(index, magnitude, 1.0, shape),
                                                    operation_at(index, magnitude, -1.0, shape)};
}

const ImageOperation& RandAugment::operation(int index, bool negative) const {
  assert(index >= 0 && index < kOperations);
  return operations_[static_cast<std::size_t>(index)][negative ? 1 : 0];
}

const ImageOperation& RandAugment::draw(Rng& rng) const {
  const auto index = static_cast<int>(rng.below(kOperations));
  const bool is_signed = index >= kFirstSigned && index < kLastSigned;
  return operation(index, is_signed && rng.below(2) == 1);
}

}  // namespace convmixer

#include "train/sparkline.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace convmixer {
namespace {

constexpr std::array<std::string_view, 8> kBlocks{
    "\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588",
};
constexpr std::array<std::string_view, 8> kAscii{".", ":", "-", "=", "+", "*", "#", "@"};
constexpr std::size_t kMiddle = 3;  // where all values are the same

}  // namespace

std::string sparkline(std::span<const double> values, bool blocks) {
  if (values.empty()) return {};
  const std::array<std::string_view, 8>& levels = blocks ? kBlocks : kAscii;
  const auto [least, greatest] = std::ranges::minmax(values);
  std::string line;
  for (const double value : values) {
    const double height = (value - least) / (greatest - least) * static_cast<double>(levels.size());
    line += levels[greatest > least ? std::min(static_cast<std::size_t>(height), levels.size() - 1) : kMiddle];
  }
  return line;
}

}  // namespace convmixer

#include "convmixer/data/image_sizes.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/unsigned_nan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <string_view>
#include <system_error>

namespace convmixer {
namespace {

template <typename Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

/// "16:0.4".
std::optional<ImageSizeShare> parse_share(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  ImageSizeShare share;
  if (!read_number(text.substr(0, colon), share.image_size) || share.image_size < 1) return std::nullopt;
  if (!read_number(text.substr(colon + 1), share.share) || !(share.share > 0.0 && share.share <= 1.0))
    return std::nullopt;
  return share;
}

}  // namespace

std::optional<std::vector<ImageSizeShare>> parse_image_sizes(const std::string& text) {
  std::vector<ImageSizeShare> shares;
  if (text == "off") return shares;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    std::string_view item = std::string_view(text).substr(begin, comma - begin);
    item.remove_prefix(std::min(item.find_first_not_of(' '), item.size()));
    const std::optional<ImageSizeShare> share = parse_share(item);
    if (!share) return std::nullopt;
    shares.push_back(*share);
    begin = comma + 1;
  }
  return shares;
}

std::string to_string(std::span<const ImageSizeShare> shares) {
  if (shares.empty()) return "off";
  std::vector<std::string> items;
  for (const ImageSizeShare& share : shares) items.push_back(fmt::format("{}:{}", share.image_size, share.share));
  return fmt::format("{}", fmt::join(items, ","));
}

std::vector<ImageSizeStretch> image_size_stretches(std::span<const ImageSizeShare> shares, std::int64_t epochs) {
  constexpr double kTolerance = 1e-3;
  constexpr double kHalfUp = 1e-9;  // 0.4 + 0.3 of 25 is 17.5, however their sum is rounded
  std::vector<ImageSizeStretch> stretches;
  double sum = 0.0;
  for (const ImageSizeShare& share : shares) sum += share.share;
  if (!shares.empty() && !(std::abs(sum - 1.0) <= kTolerance)) {
    fail_usage("image-sizes = {}: its shares add up to {:.4g}, expected 1", to_string(shares), unsigned_nan(sum));
  }
  double end = 0.0;
  std::int64_t first = 0;
  for (const ImageSizeShare& share : shares) {
    end += share.share / sum;
    const std::int64_t end_epoch = std::llround(end * static_cast<double>(epochs) + kHalfUp);
    if (end_epoch <= first) {
      fail_usage(
          "image-sizes = {}: {} pixels have a share of {}, no whole one of the {} epochs; expected more epochs, "
          "or fewer sizes",
          to_string(shares), share.image_size, share.share, epochs);
    }
    stretches.push_back({share.image_size, first, end_epoch});
    first = end_epoch;
  }
  return stretches;
}

int image_size_in(std::span<const ImageSizeStretch> stretches, std::int64_t epoch, int whole) {
  int size = whole;
  for (const ImageSizeStretch& stretch : stretches)
    if (stretch.first_epoch <= epoch) size = stretch.image_size;
  return size;
}

std::vector<int> distinct_sizes(std::span<const ImageSizeStretch> stretches, int whole) {
  std::vector<int> sizes;
  for (const ImageSizeStretch& stretch : stretches) sizes.push_back(stretch.image_size);
  if (sizes.empty()) sizes.push_back(whole);
  std::ranges::sort(sizes, std::greater{});
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

}  // namespace convmixer

#include "data/augment/resize.hpp"

#include "kernels/image/image_resample.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <iterator>
#include <utility>

namespace convmixer {

namespace {

constexpr int kGroup = static_cast<int>(kernels::kResampleGroup);
constexpr int kGroupPixels = 16;  // that a group reads

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

/// Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29(6), 1981.
double keys_cubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0.0;
}

std::int32_t to_fixed(double weight) {
  return static_cast<std::int32_t>((weight < 0.0 ? -0.5 : 0.5) + weight * (1 << kernels::kResampleBits));
}

kernels::ResampleWindows windows_of(const ResizeWeights& weights) {
  return {static_cast<std::size_t>(weights.taps), weights.first, weights.weight};
}

kernels::GroupedWindows groups_of(const ResizeWeights& weights) {
  return {static_cast<std::size_t>(weights.taps), weights.group_start, weights.group_offset, weights.group_weight};
}

}  // namespace

ResizeWeights::ResizeWeights(int in, int out, ResizeFilter filter) {
  assert(in >= 1 && out >= 1);
  const auto shape = filter == ResizeFilter::bilinear ? triangle : keys_cubic;
  const double scale = static_cast<double>(in) / out;
  const double stretch = std::max(1.0, scale);
  const double support = (filter == ResizeFilter::bilinear ? 1.0 : 2.0) * stretch;
  const double shrink = 1.0 / stretch;
  taps = std::min(in, static_cast<int>(std::ceil(support)) * 2 + 1);
  first.resize(static_cast<std::size_t>(out));
  weight.resize(static_cast<std::size_t>(out) * static_cast<std::size_t>(taps));
  std::vector<double> exact(static_cast<std::size_t>(taps));
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    const int begin = std::max(0, static_cast<int>(centre - support + 0.5));
    const int count = std::min(in, static_cast<int>(centre + support + 0.5)) - begin;
    double sum = 0.0;
    for (int k = 0; k < count; ++k) {
      exact[static_cast<std::size_t>(k)] = shape((k + begin - centre + 0.5) * shrink);
      sum += exact[static_cast<std::size_t>(k)];
    }
    // All windows have the same length: where one would reach beyond the last pixel it begins earlier, with zeros.
    const int start = std::min(begin, in - taps);
    first[static_cast<std::size_t>(i)] = start;
    const auto row = static_cast<std::size_t>(i) * static_cast<std::size_t>(taps);
    for (int k = 0; k < count; ++k) {
      const double value = exact[static_cast<std::size_t>(k)];
      weight[row + static_cast<std::size_t>(begin - start + k)] = to_fixed(sum != 0.0 ? value / sum : value);
    }
  }
  trim(in);
  make_groups(in);
}

/// Shortens all windows to the longest stretch from a first weight that isn't 0 to a last.
void ResizeWeights::trim(int in) {
  const auto old_taps = static_cast<std::size_t>(taps);
  const auto window = [&](std::size_t i) { return std::span(weight).subspan(i * old_taps, old_taps); };
  const auto used = [&](std::size_t i) -> std::pair<int, int> {
    const std::span<std::int32_t> weights = window(i);
    const auto is_used = [](std::int32_t value) { return value != 0; };
    const auto begin = std::find_if(weights.begin(), weights.end(), is_used);
    const auto end = std::find_if(weights.rbegin(), std::make_reverse_iterator(begin), is_used).base();
    return {static_cast<int>(begin - weights.begin()), static_cast<int>(end - weights.begin())};
  };
  int most = 1;
  for (std::size_t i = 0; i < first.size(); ++i) most = std::max(most, used(i).second - used(i).first);
  std::vector<std::int32_t> trimmed(first.size() * static_cast<std::size_t>(most));
  for (std::size_t i = 0; i < first.size(); ++i) {
    const auto [begin, end] = used(i);
    const std::int32_t start = std::min(first[i] + begin, in - most);
    const std::int32_t shift = first[i] + begin - start;  // of the first weight in its window
    std::copy(window(i).begin() + begin, window(i).begin() + end,
              trimmed.begin() + static_cast<std::ptrdiff_t>(i) * most + shift);
    first[i] = start;
  }
  taps = most;
  weight = std::move(trimmed);
}

void ResizeWeights::make_groups(int in) {
  const int out = static_cast<int>(first.size());
  const int groups = (out + kGroup - 1) / kGroup;
  const auto pixel_of = [&](int group, int lane) {
    return static_cast<std::size_t>(std::min(group * kGroup + lane, out - 1));
  };
  if (in < kGroupPixels) return;
  for (int group = 0; group < groups; ++group) {
    std::int32_t begin = in;
    std::int32_t end = 0;
    for (int lane = 0; lane < kGroup; ++lane) {
      begin = std::min(begin, first[pixel_of(group, lane)]);
      end = std::max(end, first[pixel_of(group, lane)] + taps);
    }
    const std::int32_t start = std::min(begin, in - kGroupPixels);
    if (end - start > kGroupPixels) {
      group_start.clear();
      group_offset.clear();
      group_weight.clear();
      return;
    }
    group_start.push_back(start);
    for (int lane = 0; lane < kGroup; ++lane)
      group_offset.push_back(static_cast<std::uint8_t>(first[pixel_of(group, lane)] - start));
    for (int k = 0; k < taps; ++k) {
      for (int lane = 0; lane < kGroup; ++lane)
        group_weight.push_back(
            weight[pixel_of(group, lane) * static_cast<std::size_t>(taps) + static_cast<std::size_t>(k)]);
    }
  }
}

std::size_t resize_working_bytes(int box_height, int out_width) {
  return static_cast<std::size_t>(box_height) * static_cast<std::size_t>(out_width);
}

void resize(const ConstImage& image, const Rectangle& box, const ResizeWeights& horizontal,
            const ResizeWeights& vertical, std::span<std::uint8_t> working, const Image& out) {
  assert(image.shape.channels == out.shape.channels);
  assert(box.top >= 0 && box.left >= 0 && box.top + box.height <= image.shape.height &&
         box.left + box.width <= image.shape.width);
  const bool rows_stay = box.width == out.shape.width;
  const bool columns_stay = box.height == out.shape.height;
  assert(rows_stay || columns_stay || working.size() >= resize_working_bytes(box.height, out.shape.width));
  for (int channel = 0; channel < image.shape.channels; ++channel) {
    const std::uint8_t* from = image.row(channel, box.top) + box.left;
    std::size_t stride = static_cast<std::size_t>(image.shape.width);
    std::uint8_t* const to = out.row(channel, 0);
    if (!rows_stay) {
      std::uint8_t* const rows = columns_stay ? to : working.data();
      kernels::resample_rows(from, stride, static_cast<std::size_t>(box.height), windows_of(horizontal),
                             groups_of(horizontal), static_cast<std::size_t>(out.shape.width), rows);
      from = rows;
      stride = static_cast<std::size_t>(out.shape.width);
    }
    if (!columns_stay) {
      kernels::resample_columns(from, stride, static_cast<std::size_t>(out.shape.width), windows_of(vertical),
                                static_cast<std::size_t>(out.shape.height), to);
    } else if (rows_stay) {
      for (int y = 0; y < box.height; ++y)
        std::copy_n(from + static_cast<std::size_t>(y) * stride, box.width, out.row(channel, y));
    }
  }
}

}  // namespace convmixer

/// Resizing and resized crops, bit for bit as PIL's Image.resize with its antialiased filters (Pillow 11).
#pragma once

#include "data/augment/image.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

enum class ResizeFilter { bilinear, bicubic };

/// The weights that make `out` pixels of `in` pixels along one axis: pixel i is
///   (sum over k < taps of weight[i * taps + k] * pixel[first[i] + k] + 2^21) >> 22, clipped to 0..255.
/// The filter, a triangle or Keys' cubic with a = -0.5, is stretched by in / out when that is above 1; its weights are
/// normalised in f64, then rounded to 22 bits.
struct ResizeWeights {
  int taps = 0;
  std::vector<std::int32_t> first;
  std::vector<std::int32_t> weight;
  // The same for four pixels at a time, as the kernel for rows wants it (src/kernels/image/image_resample.hpp); empty
  // where their windows don't fit into 16 pixels.
  std::vector<std::int32_t> group_start;
  std::vector<std::uint8_t> group_offset;
  std::vector<std::int32_t> group_weight;

  ResizeWeights() = default;
  ResizeWeights(int in, int out, ResizeFilter filter);

 private:
  void trim(int in);
  void make_groups(int in);
};

/// A rectangle of pixels.
struct Rectangle {
  int top = 0;
  int left = 0;
  int height = 0;
  int width = 0;
  bool operator==(const Rectangle&) const = default;
};

/// Bytes that resize() needs as working memory for one channel of a box so high.
[[nodiscard]] std::size_t resize_working_bytes(int box_height, int out_width);

/// Writes the box of `image`, cut out and then resized to the shape of `out`: first along rows, then along columns,
/// rounded to bytes in between, either left out where the size stays. `horizontal` and `vertical` are the weights from
/// box.width to the width of `out` and from box.height to its height, and not looked at for an axis that stays.
void resize(const ConstImage& image, const Rectangle& box, const ResizeWeights& horizontal,
            const ResizeWeights& vertical, std::span<std::uint8_t> working, const Image& out);

}  // namespace convmixer

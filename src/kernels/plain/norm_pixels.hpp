/// What norms do to the pixels of one image: sums by channel, and the values that follow from sums; hand-written.
///
/// By channel, whatever takes the sums further: batch norm adds them up over images, group norm over neighbours.
#pragma once

#include "kernels/onednn/onednn.hpp"
#include "kernels/plain/channel_group.hpp"
#include "kernels/plain/tensor_view.hpp"

#include <cstddef>
#include <cstdint>

namespace convmixer::kernels {

/// Pixels of one image: `rows` of them, `stride` elements apart, the first at offset `at` of the tensor, each with
/// `channels` side by side: a multiple of 16, 8, or 1.
struct Pixels {
  std::size_t at;
  std::size_t rows;
  std::size_t stride;
  std::size_t channels;
};

/// Two sums for each channel.
struct Sums {
  double* first;
  double* second;
};

/// What turns one tensor into another, value by value; each is a vector over the channels.
struct Coefficients {
  float* mean;
  float* factor;
  float* offset;
  float* src_factor;  ///< gradient only
};

/// Calls body(first_channel, pixels) for the parts of an image: a block of channels where the layout has blocks; of an
/// nhwc tensor all whole groups together, half a group if it is left over, and single channels past that; all of a
/// plain tensor's channels by themselves.
template <typename Body>
void for_each_part(const TensorView& view, std::int64_t image, const Body& body) {
  const auto part = [&](std::int64_t channel, std::size_t channels) {
    body(channel, Pixels{view.offset(image, channel), view.rows, view.row_stride, channels});
  };
  const bool channels_last = view.block == 0 && view.channel_stride == 1;
  std::int64_t channel = 0;
  const auto part_if_any = [&](std::size_t channels) {
    if (channels == 0) return;
    part(channel, channels);
    channel += static_cast<std::int64_t>(channels);
  };
  if (view.block != 0) {
    while (channel < view.channels) part_if_any(view.block);
  } else if (channels_last) {
    const auto channels = static_cast<std::size_t>(view.channels);
    part_if_any(channels / kGroup * kGroup);
    part_if_any(channels % kGroup / kHalfGroup * kHalfGroup);
  }
  for (; channel < view.channels; ++channel) part(channel, 1);
}

/// Sums of src - origin and of its square, added to the channels' sums: some rows in f32, and those in double; of a
/// single channel everything in double.
void add_moments(const float* src, const Pixels& pixels, const float* origin, const Sums& sums);
/// The same of diff_dst and of diff_dst * (src - mean).
void add_gradient_sums(const float* src, const void* diff_dst, ElementType diff_dst_type, const Pixels& pixels,
                       const float* mean, const Sums& sums);
/// dst = factor * (src - mean) + offset.
void normalise_pixels(const float* src, void* dst, ElementType dst_type, const Pixels& pixels, const Coefficients& by);
/// diff_src = factor * diff_dst + (src_factor * (src - mean) + offset).
void gradient_of_pixels(const float* src, const void* diff_dst, ElementType diff_dst_type, float* diff_src,
                        const Pixels& pixels, const Coefficients& by);

}  // namespace convmixer::kernels

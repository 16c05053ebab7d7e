/// Operations on the values of pixels, bit for bit as torchvision's on PIL images (torchvision 0.21, Pillow 11).
///
/// Images have 1 channel (PIL's mode "L") or 3 (RGB); `out` has the shape of `image` and doesn't overlap it.
#pragma once

#include "data/augment/image.hpp"

namespace convmixer {

/// ImageEnhance's: out = d + factor * (image - d), in f32, cut off after the point, clipped to 0..255; factor 1 is the
/// image itself. With grey = (19595 R + 38470 G + 7471 B + 32768) >> 16, d is
///   brightness: black;  saturation: the pixel's grey;  contrast: the mean grey of the image, rounded;
///   sharpness: the image smoothed by [1 1 1; 1 5 1; 1 1 1] / 13, rounded, its border of one pixel as it was.
void adjust_brightness(const ConstImage& image, float factor, const Image& out);
void adjust_saturation(const ConstImage& image, float factor, const Image& out);
void adjust_contrast(const ConstImage& image, float factor, const Image& out);
void adjust_sharpness(const ConstImage& image, float factor, const Image& out);

/// Keeps the highest `bits` bits of every value, 0 <= bits <= 8.
void posterize(const ConstImage& image, int bits, const Image& out);
/// v if v < threshold, else 255 - v.
void solarize(const ConstImage& image, float threshold, const Image& out);
/// min(255, v + addition) if v < 128, else v; addition >= 0.
void solarize_add(const ConstImage& image, int addition, const Image& out);
/// 255 - v.
void invert(const ConstImage& image, const Image& out);
/// Each channel stretched so that its lowest value becomes 0 and its highest 255 (ImageOps.autocontrast, cutoff 0).
void auto_contrast(const ConstImage& image, const Image& out);
/// Each channel mapped so that its histogram is about flat (ImageOps.equalize).
void equalize(const ConstImage& image, const Image& out);

}  // namespace convmixer

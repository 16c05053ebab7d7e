/// Working memory of the depthwise stages: images of one group of 16 channels, in words (see stage_storage.hpp).
///
/// For an image of H x W pixels and a filter of k x k, with b rows and columns of zeros before the image:
///
///     padded         b       W     k-1-b         plain, convolved      W
///               b  +---+---------+---+                            +---------+
///                  | 0 |    0    | 0 |                          H |  image  |
///                  +---+---------+---+                            +---------+
///               H  | 0 |  image  | 0 |
///                  +---+---------+---+
///           k-1-b  | 0 |    0    | 0 |
///                  +---+---------+---+
///
/// Each pixel is 16 words or floats, side by side. A row of pixels p0 p1 p2 ... is kept in words as
///
///                  f32                  bf16
///     padded       p0 | p1 | p2 ...     p0 p1 | p1 p2 | p2 p3 ...   each pixel with the one to its right
///     plain        p0 | p1 | p2 ...     p0 p1 | p2 p3 | p4 p5 ...   each pixel once; beside an odd last one is 0
///
/// so that padded has the word at which any pair of taps begins, and plain pairs that cover a row.
/// Sizes (group, word): see "Words" in HACKING.md.
#pragma once

#include <cstddef>
#include <span>

namespace convmixer::kernels {

/// Stride 1, output as large as the input. Sizes in pixels.
struct DepthwiseGeometry {
  std::size_t height;
  std::size_t width;
  std::size_t kernel;
  std::size_t padding_begin;  ///< zero rows above and columns left; the rest of kernel - 1 below and right

  friend bool operator==(const DepthwiseGeometry&, const DepthwiseGeometry&) = default;
};

/// Working memory of one task at a time. Zero borders stay in place from call to call.
class DepthwiseScratch {
 public:
  /// Floats for any of these geometries.
  [[nodiscard]] static std::size_t floats(const DepthwiseGeometry& geometry);
  /// `memory` outlives it.
  explicit DepthwiseScratch(std::span<float> memory) : memory_(memory) {}

  /// Where the images are.
  struct Areas {
    float* padded;     ///< words; the borders are 0
    float* plain;      ///< words
    float* convolved;  ///< floats: a convolution's result; may be written up to 16 pixels beyond its end
    std::size_t padded_width;
  };
  /// Makes borders of `begin` zeros before the image in both directions, the rest of kernel - 1 after it.
  Areas prepare(const DepthwiseGeometry& geometry, std::size_t begin);

 private:
  std::span<float> memory_;
  DepthwiseGeometry zeroed_{};
  std::size_t zeroed_begin_ = 0;
};

}  // namespace convmixer::kernels

/// Tensors of images for tests of kernels that take every layout: a value is read and written by its place in (N, C,
/// pixel), wherever it lies.
#pragma once

#include "convmixer/core/precision.hpp"
#include "convmixer/core/rng.hpp"
#include "kernels/onednn/onednn.hpp"
#include "kernels/plain/tensor_view.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace convmixer::testing_support {

inline constexpr kernels::Format kImageFormats[] = {kernels::Format::plain, kernels::Format::channels_last,
                                                    kernels::Format::blocked8, kernels::Format::blocked16};

[[nodiscard]] inline std::vector<float> random_numbers(std::size_t count, std::uint32_t stream, float low = -1.0F,
                                                       float high = 1.0F) {
  Rng rng(7, RandomStream::synthetic_data, stream);
  std::vector<float> numbers(count);
  for (float& number : numbers) number = rng.uniform(low, high);
  return numbers;
}

/// (N, C, H, W), at first 0, what pads blocks included.
class ImageTensor {
 public:
  ImageTensor(const Shape& shape, kernels::ElementType type, kernels::Format format)
      : layout_(shape, type, format), view_(layout_), words_(layout_.bytes() / sizeof(float) + 1) {}

  [[nodiscard]] const kernels::Layout& layout() const { return layout_; }
  [[nodiscard]] std::int64_t images() const { return view_.images; }
  [[nodiscard]] std::int64_t channels() const { return view_.channels; }
  [[nodiscard]] std::size_t pixels() const { return view_.rows; }
  [[nodiscard]] void* data() { return words_.data(); }
  [[nodiscard]] float* floats() { return words_.data(); }

  [[nodiscard]] double at(std::int64_t image, std::int64_t channel, std::size_t pixel) const {
    const std::size_t place = view_.offset(image, channel) + pixel * view_.row_stride;
    return static_cast<double>(layout_.type() == kernels::ElementType::f32
                                   ? words_[place]
                                   : from_bf16(reinterpret_cast<const std::uint16_t*>(words_.data())[place]));
  }
  void set(std::int64_t image, std::int64_t channel, std::size_t pixel, float value) {
    const std::size_t place = view_.offset(image, channel) + pixel * view_.row_stride;
    if (layout_.type() == kernels::ElementType::f32) {
      words_[place] = value;
    } else {
      reinterpret_cast<std::uint16_t*>(words_.data())[place] = to_bf16(value);
    }
  }

  /// All values and what pads blocks become NaN: what a kernel leaves alone shows.
  void spoil() { std::fill(words_.begin(), words_.end(), std::numeric_limits<float>::quiet_NaN()); }

  /// Calls body(image, channel, pixel) for all values.
  template <typename Body>
  void for_each(const Body& body) const {
    for (std::int64_t n = 0; n < images(); ++n) {
      for (std::int64_t c = 0; c < channels(); ++c) {
        for (std::size_t p = 0; p < pixels(); ++p) body(n, c, p);
      }
    }
  }

  /// The same numbers in any layout, about `middle`.
  void fill(std::uint32_t stream, float middle = 0.0F) {
    Rng rng(7, RandomStream::synthetic_data, stream);
    for_each([&](auto n, auto c, auto p) { set(n, c, p, middle + rng.uniform(-1.0F, 1.0F)); });
  }

  /// Whether what fills the last blocks up is 0, as oneDNN wants it.
  [[nodiscard]] bool padding_is_zero() const {
    if (view_.block == 0) return true;
    const auto block = static_cast<std::int64_t>(view_.block);
    const std::int64_t end = (channels() + block - 1) / block * block;
    for (std::int64_t n = 0; n < images(); ++n) {
      for (std::int64_t c = channels(); c < end; ++c) {
        for (std::size_t p = 0; p < pixels(); ++p) {
          if (at(n, c, p) != 0.0) return false;
        }
      }
    }
    return true;
  }

  [[nodiscard]] std::string describe() const {
    return layout_.shape().to_string() + (layout_.type() == kernels::ElementType::f32 ? " f32 " : " bf16 ") +
           kernels::to_string(layout_.format());
  }

 private:
  kernels::Layout layout_;
  kernels::TensorView view_;
  std::vector<float> words_;
};

}  // namespace convmixer::testing_support

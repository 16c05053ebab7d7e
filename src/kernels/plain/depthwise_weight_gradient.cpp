#include "kernels/plain/depthwise_weight_gradient.hpp"

#include "convmixer/core/precision.hpp"
#include "kernels/plain/channel_group.hpp"
#include "kernels/plain/tensor_view.hpp"

#include <algorithm>
#include <array>
#include <atomic>

// Compiled once for each instruction set: see batch_norm.cpp. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/plain/depthwise_weight_gradient.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "kernels/plain/kernel_columns-inl.h"
#include "kernels/plain/element-inl.h"
// clang-format on

#ifndef CONVMIXER_DEPTHWISE_TYPES
#define CONVMIXER_DEPTHWISE_TYPES
namespace convmixer::kernels {

/// One image's group of 16 channels, staged: pixels of 16 floats side by side. `src` has its zero padding around it, so
/// that the loops know no borders, and lies together in the first-level cache, where rows of an nhwc image would evict
/// one another.
struct StagedImage {
  const float* src;       ///< (height + kernel - 1) x padded_width pixels
  const float* diff_dst;  ///< height x width pixels
  std::size_t height;
  std::size_t width;
  std::size_t padded_width;
};

}  // namespace convmixer::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, kGroup>;

/// Pixels of `channels`, a group or half of one, to every kGroup floats of `to`.
template <typename Element>
void stage_pixels(const Element* from, std::size_t stride, std::size_t channels, std::size_t pixels, float* to) {
  const auto stage_by = [&](auto d, std::size_t lanes) HWY_ATTR {
    for (std::size_t i = 0; i < pixels; ++i) {
      for (std::size_t lane = 0; lane < lanes; lane += hn::Lanes(d))
        hn::StoreU(load(d, from + i * stride + lane), d, to + i * kGroup + lane);
    }
  };
  if (channels == kGroup) {
    stage_by(Floats(), kGroup);
  } else {
    stage_by(hn::CappedTag<float, kHalfGroup>(), kHalfGroup);
  }
}
void stage_pixels_f32(const float* from, std::size_t stride, std::size_t channels, std::size_t pixels, float* to) {
  stage_pixels(from, stride, channels, pixels, to);
}
void stage_pixels_bf16(const std::uint16_t* from, std::size_t stride, std::size_t channels, std::size_t pixels,
                       float* to) {
  stage_pixels(from, stride, channels, pixels, to);
}

/// Adds the image's part to `kRows` rows of `kColumns` filter taps, of which `src` is at the first. sums is (tap,
/// channel); a row of taps is `row_taps` long.
template <std::size_t kRows, std::size_t kColumns>
void add_taps(const StagedImage& image, const float* src, std::size_t row_taps, double* sums) {
  const Floats d;
  for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
    // Every element a register: the loops over rows and columns unroll.
    hn::Vec<Floats> taps[kRows][kColumns];
    for (auto& row : taps) {
      for (auto& tap : row) tap = hn::Zero(d);
    }
    for (std::size_t h = 0; h < image.height; ++h) {
      const float* const row = src + h * image.padded_width * kGroup + lane;
      const float* const gradient = image.diff_dst + h * image.width * kGroup + lane;
      for (std::size_t w = 0; w < image.width; ++w) {
        const auto dy = hn::LoadU(d, gradient + w * kGroup);
        HWY_UNROLL(4)  // >= kRows; g++ 12 takes no template argument here
        for (std::size_t i = 0; i < kRows; ++i) {
          HWY_UNROLL(9)
          for (std::size_t j = 0; j < kColumns; ++j) {
            const float* const at = row + (i * image.padded_width + w + j) * kGroup;
            taps[i][j] = hn::MulAdd(hn::LoadU(d, at), dy, taps[i][j]);
          }
        }
      }
    }
    alignas(64) std::array<float, kGroup> lanes;
    for (std::size_t i = 0; i < kRows; ++i) {
      for (std::size_t j = 0; j < kColumns; ++j) {
        hn::StoreU(taps[i][j], d, lanes.data());
        double* const sum = sums + (i * row_taps + j) * kGroup + lane;
        for (std::size_t c = 0; c < hn::Lanes(d); ++c) sum[c] += static_cast<double>(lanes[c]);
      }
    }
  }
}

/// Sums held in registers at once: enough to hide the latency of multiply-adds, few enough not to spill.
constexpr std::size_t kRegisters = HWY_TARGET <= HWY_AVX3 ? 24 : 12;

/// All rows of `kColumns` columns of the filter, beginning at column `column`.
template <std::size_t kColumns>
void add_columns(const StagedImage& image, std::size_t kernel, std::size_t column, double* sums) {
  constexpr std::size_t kRows = std::max(std::size_t{1}, std::min(std::size_t{4}, kRegisters / kColumns));
  std::size_t row = 0;
  const auto src = [&] { return image.src + (row * image.padded_width + column) * kGroup; };
  const auto sum = [&] { return sums + (row * kernel + column) * kGroup; };
  for (; row + kRows <= kernel; row += kRows) add_taps<kRows, kColumns>(image, src(), kernel, sum());
  for (; row < kernel; ++row) add_taps<1, kColumns>(image, src(), kernel, sum());
}

void add_image(const StagedImage& image, std::size_t kernel, double* sums) {
  for_kernel_columns(kernel, [&](auto columns, std::size_t column)
                                 HWY_ATTR { add_columns<decltype(columns)::value>(image, kernel, column, sums); });
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

HWY_EXPORT(stage_pixels_f32);
HWY_EXPORT(stage_pixels_bf16);
HWY_EXPORT(add_image);

namespace {

/// Images whose sums are added up by one task; fixed, so that the order of addition is.
constexpr std::int64_t kImagesPerTask = 8;

std::int64_t tasks_per_group(const ConvolutionProblem& problem) {
  return (problem.src[0] + kImagesPerTask - 1) / kImagesPerTask;
}

std::int64_t groups_of(const ConvolutionProblem& problem) {
  return (problem.src[1] + std::int64_t{kGroup} - 1) / std::int64_t{kGroup};
}

/// Taps and bias: doubles of one group in one task.
std::size_t sums_size(const ConvolutionProblem& problem) {
  const auto kernel = static_cast<std::size_t>(problem.kernel);
  return (kernel * kernel + 1) * kGroup;
}

/// Doubles of all tasks.
std::size_t sums_of_all(const ConvolutionProblem& problem) {
  return static_cast<std::size_t>(groups_of(problem) * tasks_per_group(problem)) * sums_size(problem);
}

/// Floats of one staged image of a group: src in its padding, and diff_dst.
std::size_t staging_size(const ConvolutionProblem& problem) {
  const auto height = static_cast<std::size_t>(problem.dst[2]);
  const auto width = static_cast<std::size_t>(problem.dst[3]);
  const auto border = static_cast<std::size_t>(problem.kernel) - 1;
  return ((height + border) * (width + border) + height * width) * kGroup;
}

void stage_vectors(const float* from, std::size_t stride, std::size_t channels, std::size_t pixels, float* to) {
  HWY_DYNAMIC_DISPATCH(stage_pixels_f32)(from, stride, channels, pixels, to);
}
void stage_vectors(const std::uint16_t* from, std::size_t stride, std::size_t channels, std::size_t pixels, float* to) {
  HWY_DYNAMIC_DISPATCH(stage_pixels_bf16)(from, stride, channels, pixels, to);
}

/// Copies rows of `width` pixels of the group of channels that begins at `first` to rows `padded_width` pixels apart.
template <typename Element>
void stage(const Element* tensor, const TensorView& view, std::int64_t image, std::int64_t first, std::size_t width,
           std::size_t padded_width, float* to) {
  const std::size_t count = std::min(kGroup, static_cast<std::size_t>(view.channels - first));
  std::size_t channels = 0;
  for (std::size_t lane = 0; lane < count; lane += channels) {
    channels = channels_side_by_side(view, count - lane);
    const Element* const from = tensor + view.offset(image, first + static_cast<std::int64_t>(lane));
    for (std::size_t row = 0; row < view.rows / width; ++row) {
      const Element* const pixels = from + row * width * view.row_stride;
      float* const out = to + row * padded_width * kGroup + lane;
      if (channels > 1) {
        stage_vectors(pixels, view.row_stride, channels, width, out);
        continue;
      }
      for (std::size_t w = 0; w < width; ++w) out[w * kGroup] = to_float(pixels[w * view.row_stride]);
    }
  }
}

void stage(const void* tensor, ElementType type, const TensorView& view, std::int64_t image, std::int64_t first,
           std::size_t width, std::size_t padded_width, float* to) {
  if (type == ElementType::f32) {
    stage(static_cast<const float*>(tensor), view, image, first, width, padded_width, to);
  } else {
    stage(static_cast<const std::uint16_t*>(tensor), view, image, first, width, padded_width, to);
  }
}

class Gradient {
 public:
  Gradient(const ConvolutionProblem& problem, const Layout& src, const Layout& diff_dst,
           const DepthwiseWeightGradient& memory)
      : problem_(problem),
        src_type_(src.type()),
        diff_dst_type_(diff_dst.type()),
        src_(src),
        diff_dst_(diff_dst),
        memory_(memory),
        kernel_(static_cast<std::size_t>(problem.kernel)),
        height_(static_cast<std::size_t>(problem.dst[2])),
        width_(static_cast<std::size_t>(problem.dst[3])),
        padded_width_(width_ + kernel_ - 1) {}

  /// Sums some images of one group of channels into the task's own part of the working memory. `staging` holds
  /// staging_size() floats.
  void run_task(std::int64_t task, float* staging) const {
    const std::int64_t tasks = tasks_per_group(problem_);
    const std::int64_t first_image = task % tasks * kImagesPerTask;
    const std::int64_t last_image = std::min(first_image + kImagesPerTask, problem_.src[0]);
    double* const sums = memory_.working + static_cast<std::size_t>(task) * sums_size(problem_);
    std::fill_n(sums, sums_size(problem_), 0.0);

    // Other steps leave other values; the borders must be zero, and so must the lanes of missing channels.
    std::fill_n(staging, staging_size(problem_), 0.0F);
    float* const src = staging;
    float* const diff_dst = src + (height_ + kernel_ - 1) * padded_width_ * kGroup;
    for (std::int64_t image = first_image; image < last_image; ++image) {
      add_image_of_group(image, task / tasks, src, diff_dst, sums);
    }
  }

  /// Adds up the tasks of a group in their order and stores the gradients.
  void finish_group(std::int64_t group) const {
    const std::int64_t tasks = tasks_per_group(problem_);
    const std::size_t taps = kernel_ * kernel_;
    const double* const all = memory_.working + static_cast<std::size_t>(group * tasks) * sums_size(problem_);
    const std::int64_t first = group * std::int64_t{kGroup};
    const std::int64_t count = std::min(std::int64_t{kGroup}, problem_.src[1] - first);
    for (std::int64_t lane = 0; lane < count; ++lane) {
      for (std::size_t tap = 0; tap <= taps; ++tap) {
        double sum = 0.0;
        for (std::int64_t task = 0; task < tasks; ++task) {
          sum +=
              all[static_cast<std::size_t>(task) * sums_size(problem_) + tap * kGroup + static_cast<std::size_t>(lane)];
        }
        const auto channel = static_cast<std::size_t>(first + lane);
        (tap < taps ? memory_.diff_weights[channel * taps + tap] : memory_.diff_bias[channel]) =
            static_cast<float>(sum);
      }
    }
  }

 private:
  void add_image_of_group(std::int64_t image, std::int64_t group, float* src, float* diff_dst, double* sums) const {
    const auto begin = static_cast<std::size_t>(problem_.padding_begin);
    const auto src_width = static_cast<std::size_t>(problem_.src[3]);
    const std::int64_t first = group * std::int64_t{kGroup};
    stage(memory_.src, src_type_, src_, image, first, src_width, padded_width_,
          src + (begin * padded_width_ + begin) * kGroup);
    stage(memory_.diff_dst, diff_dst_type_, diff_dst_, image, first, width_, width_, diff_dst);
    HWY_DYNAMIC_DISPATCH(add_image)
    (StagedImage{src, diff_dst, height_, width_, padded_width_}, kernel_, sums);

    double* const bias = sums + kernel_ * kernel_ * kGroup;
    std::array<float, kGroup> total{};
    for (std::size_t pixel = 0; pixel < height_ * width_; ++pixel) {
      for (std::size_t lane = 0; lane < kGroup; ++lane) total[lane] += diff_dst[pixel * kGroup + lane];
    }
    for (std::size_t lane = 0; lane < kGroup; ++lane) bias[lane] += static_cast<double>(total[lane]);
  }

  const ConvolutionProblem& problem_;
  ElementType src_type_;
  ElementType diff_dst_type_;
  TensorView src_;
  TensorView diff_dst_;
  const DepthwiseWeightGradient& memory_;
  std::size_t kernel_;
  std::size_t height_;
  std::size_t width_;
  std::size_t padded_width_;
};

}  // namespace

bool has_depthwise_weight_gradient(const ConvolutionProblem& problem, const Layout& src, const Layout& diff_dst) {
  const bool depthwise = problem.groups == problem.src[1] && problem.groups == problem.dst[1] && problem.stride == 1;
  return depthwise && src.format() == diff_dst.format() && src.format() != Format::other;
}

std::size_t depthwise_weight_gradient_doubles(const Runtime& runtime, const ConvolutionProblem& problem) {
  return sums_of_all(problem) + static_cast<std::size_t>(runtime.threads()) * staging_size(problem) / 2;
}

void depthwise_weight_gradient(Runtime& runtime, const ConvolutionProblem& problem, const Layout& src,
                               const Layout& diff_dst, const DepthwiseWeightGradient& memory) {
  const Gradient gradient(problem, src, diff_dst, memory);
  const std::int64_t groups = groups_of(problem);
  const std::int64_t tasks = groups * tasks_per_group(problem);
  auto* const staging = reinterpret_cast<float*>(memory.working + sums_of_all(problem));
  // A loop for each thread, with staging memory of its own: it takes the next task when it is done with one.
  std::atomic<std::int64_t> next = 0;
  runtime.parallel_for(runtime.threads(), [&](std::int64_t loop) {
    float* const own = staging + static_cast<std::size_t>(loop) * staging_size(problem);
    for (std::int64_t task = next++; task < tasks; task = next++) gradient.run_task(task, own);
  });
  runtime.parallel_for(groups, [&](std::int64_t group) { gradient.finish_group(group); });
}

}  // namespace convmixer::kernels
#endif

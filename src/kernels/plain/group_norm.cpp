#include "kernels/plain/group_norm.hpp"

#include "kernels/plain/norm_pixels.hpp"

#include <algorithm>
#include <cmath>

namespace convmixer::kernels {

namespace {

/// Channels in whole vectors of 16.
std::size_t padded(std::int64_t channels) {
  return (static_cast<std::size_t>(channels) + kGroup - 1) / kGroup * kGroup;
}

/// What an image needs: two sums and the coefficients of each channel.
class ImageWork {
 public:
  ImageWork(const TensorView& view, std::int64_t image, double* memory)
      : channels_(padded(view.channels)), memory_(memory + doubles(view.channels) * static_cast<std::size_t>(image)) {}

  static std::size_t doubles(std::int64_t channels) { return 4 * padded(channels); }

  void clear() const { std::fill_n(memory_, 4 * channels_, 0.0); }

  [[nodiscard]] Sums sums(std::int64_t first_channel) const {
    return {memory_ + first_channel, memory_ + channels_ + first_channel};
  }

  [[nodiscard]] Coefficients coefficients(std::int64_t first_channel) const {
    auto* const mean = reinterpret_cast<float*>(memory_ + 2 * channels_) + first_channel;
    return {mean, mean + channels_, mean + 2 * channels_, mean + 3 * channels_};
  }

 private:
  std::size_t channels_;
  double* memory_;
};

/// The groups of a tensor's channels.
struct Groups {
  Groups(const TensorView& view, const GroupNormProblem& problem)
      : count(problem.groups),
        channels(view.channels / problem.groups),
        values(static_cast<double>(channels) * static_cast<double>(view.rows)) {}

  /// Calls body(group, channel) for all channels.
  template <typename Body>
  void for_each_channel(const Body& body) const {
    for (std::int64_t group = 0; group < count; ++group)
      for (std::int64_t c = group * channels; c < (group + 1) * channels; ++c) body(group, c);
  }

  /// The place of a group's numbers in an (N, groups) array.
  [[nodiscard]] std::size_t at(std::int64_t image, std::int64_t group) const {
    return static_cast<std::size_t>(image * count + group);
  }

  std::int64_t count;
  std::int64_t channels;  ///< of a group
  double values;          ///< of a group of an image
};

double inverse_deviation(float variance, float epsilon) {
  return 1.0 / std::sqrt(static_cast<double>(variance) + static_cast<double>(epsilon));
}

/// Mean and variance of each group, about a value of the group itself: about 0, a mean far from 0 would cancel the
/// variance's digits.
void group_moments(const TensorView& view, const Groups& groups, std::int64_t image, const ImageWork& work,
                   const GroupNormForward& memory) {
  const float* const origin = work.coefficients(0).mean;
  groups.for_each_channel([&](std::int64_t group, std::int64_t c) {
    *work.coefficients(c).mean = memory.src[view.offset(image, group * groups.channels)];
  });
  for_each_part(view, image, [&](std::int64_t first, const Pixels& pixels) {
    add_moments(memory.src, pixels, origin + first, work.sums(first));
  });
  for (std::int64_t group = 0; group < groups.count; ++group) {
    double sum = 0.0;
    double square = 0.0;
    for (std::int64_t c = group * groups.channels; c < (group + 1) * groups.channels; ++c) {
      sum += *work.sums(c).first;
      square += *work.sums(c).second;
    }
    const double offset = sum / groups.values;
    const std::size_t at = groups.at(image, group);
    memory.mean[at] = static_cast<float>(static_cast<double>(origin[group * groups.channels]) + offset);
    memory.variance[at] = static_cast<float>(std::max(0.0, square / groups.values - offset * offset));
  }
}

/// The gradient's coefficients of a group, from its channels' sums of diff_dst and of diff_dst * (src - mean).
void gradient_coefficients(const Groups& groups, std::int64_t group, double inverse, const ImageWork& work,
                           const float* scale) {
  double sum = 0.0;
  double product = 0.0;
  for (std::int64_t c = group * groups.channels; c < (group + 1) * groups.channels; ++c) {
    sum += static_cast<double>(scale[c]) * *work.sums(c).first;
    product += static_cast<double>(scale[c]) * *work.sums(c).second;
  }
  for (std::int64_t c = group * groups.channels; c < (group + 1) * groups.channels; ++c) {
    const Coefficients by = work.coefficients(c);
    *by.factor = static_cast<float>(static_cast<double>(scale[c]) * inverse);
    *by.src_factor = static_cast<float>(-inverse * inverse * inverse * product / groups.values);
    *by.offset = static_cast<float>(-inverse * sum / groups.values);
  }
}

}  // namespace

std::size_t group_norm_doubles(const Layout& layout) {
  return static_cast<std::size_t>(layout.shape()[0]) * ImageWork::doubles(layout.shape()[1]);
}

void group_norm_forward(Runtime& runtime, const Layout& src, ElementType dst_type, const GroupNormProblem& problem,
                        const GroupNormForward& memory) {
  const TensorView view(src);
  const Groups groups(view, problem);
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    const ImageWork work(view, image, memory.working);
    work.clear();
    group_moments(view, groups, image, work, memory);
    groups.for_each_channel([&](std::int64_t group, std::int64_t c) {
      const std::size_t at = groups.at(image, group);
      const Coefficients by = work.coefficients(c);
      *by.mean = memory.mean[at];
      *by.factor = static_cast<float>(static_cast<double>(memory.scale[c]) *
                                      inverse_deviation(memory.variance[at], problem.epsilon));
      *by.offset = memory.shift[c];
    });
    for_each_part(view, image, [&](std::int64_t first, const Pixels& pixels) {
      normalise_pixels(memory.src, memory.dst, dst_type, pixels, work.coefficients(first));
    });
  });
}

void group_norm_backward(Runtime& runtime, const Layout& src, ElementType diff_dst_type,
                         const GroupNormProblem& problem, const GroupNormBackward& memory) {
  const TensorView view(src);
  const Groups groups(view, problem);
  const auto inverse = [&](std::int64_t image, std::int64_t group) {
    return inverse_deviation(memory.variance[groups.at(image, group)], problem.epsilon);
  };
  runtime.parallel_for(view.images, [&](std::int64_t image) {
    const ImageWork work(view, image, memory.working);
    work.clear();
    groups.for_each_channel(
        [&](std::int64_t group, std::int64_t c) { *work.coefficients(c).mean = memory.mean[groups.at(image, group)]; });
    for_each_part(view, image, [&](std::int64_t first, const Pixels& pixels) {
      add_gradient_sums(memory.src, memory.diff_dst, diff_dst_type, pixels, work.coefficients(first).mean,
                        work.sums(first));
    });
    for (std::int64_t group = 0; group < groups.count; ++group)
      gradient_coefficients(groups, group, inverse(image, group), work, memory.scale);
    for_each_part(view, image, [&](std::int64_t first, const Pixels& pixels) {
      gradient_of_pixels(memory.src, memory.diff_dst, diff_dst_type, memory.diff_src, pixels, work.coefficients(first));
    });
  });
  groups.for_each_channel([&](std::int64_t group, std::int64_t c) {
    double shift = 0.0;
    double scale = 0.0;
    for (std::int64_t image = 0; image < view.images; ++image) {
      const Sums sums = ImageWork(view, image, memory.working).sums(c);
      shift += *sums.first;
      scale += *sums.second * inverse(image, group);
    }
    memory.diff_shift[c] = static_cast<float>(shift);
    memory.diff_scale[c] = static_cast<float>(scale);
  });
}

}  // namespace convmixer::kernels

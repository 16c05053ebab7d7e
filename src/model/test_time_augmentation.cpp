#include "convmixer/model/test_time_augmentation.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/model/prediction.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace convmixer {
namespace {

void check_rows(const char* what, std::size_t count, std::int64_t row, std::size_t other, std::size_t out) {
  if (row < 1 || count % static_cast<std::size_t>(row) != 0)
    fail_usage("{}: {} given, expected whole rows of {}", what, counted(count, "number"), row);
  if (other != count || out != count)
    fail_usage("{}: {} and {} given, expected as many", what, counted(count, "number"), other != count ? other : out);
}

void check_can_shift(std::int64_t height, std::int64_t width) {
  if (height < 2 || width < 2)
    fail_usage("images of {} x {} pixels can't be shifted: at least 2 x 2 are needed to reflect a border", height,
               width);
}

const Shape& image_shape(const Network& network) {
  const Graph& graph = network.graph();
  return graph.tensors()[static_cast<std::size_t>(graph.input())];
}

/// log((e^one + e^other) / 2) without overflow.
double log_mean(double one, double other) {
  const double largest = std::max(one, other);
  if (largest == -std::numeric_limits<double>::infinity()) return largest;
  return largest + std::log((std::exp(one - largest) + std::exp(other - largest)) / 2.0);
}

}  // namespace

AugmentedInference::AugmentedInference(Network& network, TestTimeAugmentation augmentation)
    : network_(&network), augmentation_(augmentation) {
  const Shape& image = image_shape(network);
  if (augmentation == TestTimeAugmentation::flip_shift)
    check_can_shift(image[image.rank() - 2], image[image.rank() - 1]);
}

std::span<const float> AugmentedInference::infer(std::span<const float> images) {
  return infer(images, network_->infer(images));
}

std::span<const float> AugmentedInference::infer(std::span<const float> images, std::span<const float> own) {
  if (augmentation_ == TestTimeAugmentation::none) return own;
  logits_.assign(own.begin(), own.end());
  add_mirror_images(images, logits_);
  if (augmentation_ == TestTimeAugmentation::flip) return logits_;
  const Shape& image = image_shape(*network_);
  shifted_.resize(images.size());
  both_shifts_.clear();
  for (const Shift direction : {Shift::up_left, Shift::down_right}) {
    shift(images, image[image.rank() - 2], image[image.rank() - 1], direction, shifted_);
    const std::span<const float> logits = network_->infer(shifted_);
    shifted_logits_.assign(logits.begin(), logits.end());
    add_mirror_images(shifted_, shifted_logits_);
    if (both_shifts_.empty()) {
      both_shifts_ = shifted_logits_;
    } else {
      mean_of_probabilities(both_shifts_, shifted_logits_, network_->classes(), both_shifts_);
    }
  }
  mean_of_probabilities(logits_, both_shifts_, network_->classes(), logits_);
  return logits_;
}

void AugmentedInference::add_mirror_images(std::span<const float> images, std::span<float> mean) {
  const Shape& image = image_shape(*network_);
  mirrored_.resize(images.size());
  mirror(images, image[image.rank() - 1], mirrored_);
  mean_of_probabilities(mean, network_->infer(mirrored_), network_->classes(), mean);
}

void mirror(std::span<const float> images, std::int64_t width, std::span<float> mirrored) {
  check_rows("images", images.size(), width, images.size(), mirrored.size());
  const auto row = static_cast<std::size_t>(width);
  for (std::size_t begin = 0; begin < images.size(); begin += row)
    std::ranges::reverse_copy(images.subspan(begin, row), mirrored.subspan(begin, row).begin());
}

void shift(std::span<const float> images, std::int64_t height, std::int64_t width, Shift direction,
           std::span<float> shifted) {
  check_can_shift(height, width);
  check_rows("images", images.size(), height * width, images.size(), shifted.size());
  const std::int64_t by = direction == Shift::up_left ? 1 : -1;
  const auto reflected = [](std::int64_t at, std::int64_t size) {
    return at < 0 ? -at : at >= size ? 2 * (size - 1) - at : at;
  };
  const auto rows = static_cast<std::size_t>(height);
  const auto columns = static_cast<std::size_t>(width);
  for (std::size_t plane = 0; plane < images.size(); plane += rows * columns) {
    for (std::size_t y = 0; y < rows; ++y) {
      const auto from = static_cast<std::size_t>(reflected(static_cast<std::int64_t>(y) + by, height));
      const std::span<const float> row = images.subspan(plane + from * columns, columns);
      const std::span<float> moved = shifted.subspan(plane + y * columns, columns);
      if (direction == Shift::up_left) {
        std::ranges::copy(row.subspan(1), moved.begin());
        moved.back() = row[columns - 2];
      } else {
        std::ranges::copy(row.first(columns - 1), moved.begin() + 1);
        moved.front() = row[1];
      }
    }
  }
}

void mean_of_probabilities(std::span<const float> one, std::span<const float> other, std::int64_t classes,
                           std::span<float> mean) {
  check_rows("logits", one.size(), classes, other.size(), mean.size());
  const auto row = static_cast<std::size_t>(classes);
  std::vector<double> logs(row);
  std::vector<double> other_logs(row);
  for (std::size_t begin = 0; begin < one.size(); begin += row) {
    log_softmax(one.subspan(begin, row), logs);
    log_softmax(other.subspan(begin, row), other_logs);
    const bool broken = std::isnan(logs.front()) || std::isnan(other_logs.front());
    for (std::size_t i = 0; i < row; ++i) {
      mean[begin + i] =
          broken ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(log_mean(logs[i], other_logs[i]));
    }
  }
}

}  // namespace convmixer

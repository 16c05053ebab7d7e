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

/// log((e^one + e^other) / 2) without overflow.
double log_mean(double one, double other) {
  const double largest = std::max(one, other);
  if (largest == -std::numeric_limits<double>::infinity()) return largest;
  return largest + std::log((std::exp(one - largest) + std::exp(other - largest)) / 2.0);
}

}  // namespace

AugmentedInference::AugmentedInference(Network& network, TestTimeAugmentation augmentation)
    : network_(&network), augmentation_(augmentation) {}

std::span<const float> AugmentedInference::infer(std::span<const float> images) {
  const std::span<const float> logits = network_->infer(images);
  if (augmentation_ == TestTimeAugmentation::none) return logits;
  logits_.assign(logits.begin(), logits.end());
  mirrored_.resize(images.size());
  const Graph& graph = network_->graph();
  const Shape& image = graph.tensors()[static_cast<std::size_t>(graph.input())];
  mirror(images, image[image.rank() - 1], mirrored_);
  mean_of_probabilities(logits_, network_->infer(mirrored_), network_->classes(), logits_);
  return logits_;
}

void mirror(std::span<const float> images, std::int64_t width, std::span<float> mirrored) {
  check_rows("images", images.size(), width, images.size(), mirrored.size());
  const auto row = static_cast<std::size_t>(width);
  for (std::size_t begin = 0; begin < images.size(); begin += row)
    std::ranges::reverse_copy(images.subspan(begin, row), mirrored.subspan(begin, row).begin());
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

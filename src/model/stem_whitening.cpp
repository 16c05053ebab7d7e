#include "convmixer/model/stem_whitening.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/rng.hpp"
#include "model/cholesky.hpp"

#include <cmath>
#include <numeric>
#include <variant>

namespace convmixer {
namespace {

const Convolution& first_convolution(const Graph& graph) {
  for (const Node& node : graph.nodes()) {
    const auto* const convolution = std::get_if<Convolution>(&node.operation);
    if (convolution == nullptr || convolution->groups != 1 || node.inputs.front() != graph.input()) continue;
    if (convolution->bias == kNoParameter)
      fail_usage(
          "stem-init = whitened: the network's first convolution, {}, has no bias to centre patches with; expected "
          "default",
          node.name);
    return *convolution;
  }
  fail_usage("stem-init = whitened: the network doesn't begin with a convolution over all colours; expected default");
}

/// Rows of `width` numbers: random unit vectors, each orthogonal to those before it, `width` at a time, by Gram-Schmidt
/// on independent normal numbers, whose directions are uniform.
std::vector<double> random_orthonormal_rows(std::size_t count, std::size_t width, Rng& rng) {
  std::vector<double> rows(count * width);
  for (std::size_t i = 0; i < count; ++i) {
    const std::span<double> row = std::span(rows).subspan(i * width, width);
    for (double& value : row) value = static_cast<double>(rng.normal());
    for (int pass = 0; pass < 2; ++pass) {  // the second takes away what rounding has left
      for (std::size_t j = i / width * width; j < i; ++j) {
        const double* const other = rows.data() + j * width;
        const double along = std::inner_product(row.begin(), row.end(), other, 0.0);
        for (std::size_t k = 0; k < width; ++k) row[k] -= along * other[k];
      }
      const double length = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0));
      for (double& value : row) value /= length;
    }
  }
  return rows;
}

}  // namespace

PatchStatistics::PatchStatistics(const Graph& graph) : image_(graph.tensors().front()) {
  const Convolution& convolution = first_convolution(graph);
  kernel_ = convolution.kernel;
  stride_ = convolution.stride;
  const std::int64_t values = image_[0] * kernel_ * kernel_;
  if (values > kMostValues) {
    fail_usage("stem-init = whitened: patches of {} x {} pixels in {} colours have {} values, expected at most {}",
               kernel_, kernel_, image_[0], values, kMostValues);
  }
  const auto n = static_cast<std::size_t>(values);
  sums_.resize(n);
  patch_.resize(n);
  products_.resize(n * n);
}

std::int64_t PatchStatistics::patches_per_image() const noexcept {
  if (image_[1] < kernel_ || image_[2] < kernel_) return 0;
  return ((image_[1] - kernel_) / stride_ + 1) * ((image_[2] - kernel_) / stride_ + 1);
}

void PatchStatistics::add(std::span<const float> image) {
  if (std::ssize(image) != image_.count()) {
    fail_usage("whitened stem: an image of {} numbers, expected one of shape {}", image.size(), image_.to_string());
  }
  const std::int64_t height = image_[1];
  const std::int64_t width = image_[2];
  const std::size_t n = values();
  for (std::int64_t y = 0; y + kernel_ <= height; y += stride_) {
    for (std::int64_t x = 0; x + kernel_ <= width; x += stride_) {
      std::size_t at = 0;
      for (std::int64_t row = 0; row < image_[0] * kernel_; ++row) {
        const std::int64_t line = row / kernel_ * height + y + row % kernel_;
        for (std::int64_t column = 0; column < kernel_; ++column)
          patch_[at++] = static_cast<double>(image[static_cast<std::size_t>(line * width + x + column)]);
      }
      for (std::size_t i = 0; i < n; ++i) {
        sums_[i] += patch_[i];
        for (std::size_t j = 0; j <= i; ++j) products_[i * n + j] += patch_[i] * patch_[j];
      }
    }
  }
  patches_ += patches_per_image();
}

std::vector<double> PatchStatistics::mean() const {
  std::vector<double> result(sums_);
  for (double& value : result) value /= static_cast<double>(patches_);
  return result;
}

std::vector<double> PatchStatistics::covariance() const {
  const std::size_t n = values();
  const std::vector<double> means = mean();
  std::vector<double> result(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      const double value = products_[i * n + j] / static_cast<double>(patches_) - means[i] * means[j];
      result[i * n + j] = value;
      result[j * n + i] = value;
    }
  }
  return result;
}

void whiten_stem(Parameters& parameters, const PatchStatistics& patches, std::uint64_t seed, double epsilon) {
  if (patches.patches() == 0) fail_usage("whitened stem: there are no patches to measure");
  const Convolution& convolution = first_convolution(parameters.graph());
  const std::span<float> weights = parameters.value(convolution.weight);
  const std::span<float> biases = parameters.value(convolution.bias);
  const std::size_t n = patches.values();
  if (weights.size() != biases.size() * n)
    fail_usage("whitened stem: patches have {}, expected {}, as many as the network's first convolution reads",
               counted(n, "value"), weights.size() / biases.size());
  if (!(epsilon > 0.0 && std::isfinite(epsilon)))
    fail_usage("whitened stem: epsilon = {}, expected a finite number above 0", epsilon);

  const std::vector<double> mean = patches.mean();
  std::vector<double> covariance = patches.covariance();
  for (std::size_t i = 0; i < n; ++i) covariance[i * n + i] += epsilon;
  const std::vector<double> root = cholesky(covariance, n, epsilon);

  Rng rng(seed, RandomStream::initialisation, static_cast<std::uint32_t>(convolution.weight));
  std::vector<double> rows = random_orthonormal_rows(biases.size(), n, rng);
  for (std::size_t output = 0; output < biases.size(); ++output) {
    const std::span<double> row = std::span(rows).subspan(output * n, n);
    solve_transposed(root, row);  // r^T L^-1: S is L^-1
    for (std::size_t i = 0; i < n; ++i) weights[output * n + i] = static_cast<float>(row[i]);
    biases[output] = static_cast<float>(-std::inner_product(row.begin(), row.end(), mean.begin(), 0.0));
  }
}

}  // namespace convmixer

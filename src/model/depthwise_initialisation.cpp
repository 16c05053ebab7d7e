#include "convmixer/model/depthwise_initialisation.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/rng.hpp"
#include "model/cholesky.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <variant>
#include <vector>

namespace convmixer {
namespace {

constexpr double kTrace = 1.0 / 3.0;  // K^2 taps of variance 1 / (3 K^2)

double bell(double distance, double width) { return std::exp(-distance * distance / (2.0 * width * width)); }

/// The covariance is a Kronecker product A (x) A of one along rows and the same along columns: this is L, (K, K), of
/// L L^T = A, and a filter is L Z L^T of K x K independent normal Z.
std::vector<double> root_along_a_side(int kernel, const GaussianFilters& filters) {
  const auto n = static_cast<std::size_t>(kernel);
  const double sigma = static_cast<double>(filters.sigma) * kernel;
  const double length = static_cast<double>(filters.length) * kernel;
  const double centre = (kernel - 1) / 2.0;
  std::vector<double> covariance(n * n);
  double trace = 0.0;
  for (int i = 0; i < kernel; ++i) trace += std::pow(bell(i - centre, sigma), 2);
  const double scale = std::sqrt(kTrace) / trace;
  for (int i = 0; i < kernel; ++i) {
    for (int j = 0; j < kernel; ++j) {
      covariance[static_cast<std::size_t>(i) * n + static_cast<std::size_t>(j)] =
          scale * bell(i - centre, sigma) * bell(j - centre, sigma) * bell(i - j, length);
    }
  }
  // Nearly singular for a long `length`: what is below this nobody sees in f32.
  constexpr double kNegligible = 1e-12;
  return cholesky(covariance, n, kNegligible);
}

/// L Z L^T, with Z drawn row by row.
void draw_gaussian(std::span<const double> root, std::size_t n, Rng& rng, std::span<float> filter) {
  std::vector<double> normals(n * n);
  std::vector<double> half(n * n, 0.0);  // Z L^T
  for (double& value : normals) value = static_cast<double>(rng.normal());
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t k = 0; k <= j; ++k) half[i * n + j] += normals[i * n + k] * root[j * n + k];
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = 0.0;
      for (std::size_t k = 0; k <= i; ++k) sum += root[i * n + k] * half[k * n + j];
      filter[i * n + j] = static_cast<float>(sum);
    }
  }
}

void draw_impulse(Rng& rng, std::span<float> filter) {
  std::ranges::fill(filter, 0.0F);
  filter[rng.below(static_cast<std::uint32_t>(filter.size()))] = static_cast<float>(std::sqrt(kTrace));
}

}  // namespace

void initialise_depthwise(Parameters& parameters, DepthwiseInitialisation kind, std::uint64_t seed,
                          const GaussianFilters& filters) {
  if (kind == DepthwiseInitialisation::standard) return;
  if (!(filters.sigma > 0.0F) || !(filters.length > 0.0F)) {
    fail_usage("depthwise filters: sigma {} and length {}, expected numbers above 0", filters.sigma, filters.length);
  }
  bool found = false;
  for (const Node& node : parameters.graph().nodes()) {
    const auto* const convolution = std::get_if<Convolution>(&node.operation);
    if (convolution == nullptr || convolution->groups == 1) continue;
    const Shape& shape = parameters.graph().parameters()[static_cast<std::size_t>(convolution->weight)].shape;
    if (shape[1] != 1) continue;  // grouped, but not one channel to a filter
    found = true;
    const auto n = static_cast<std::size_t>(convolution->kernel);
    const std::vector<double> root = root_along_a_side(convolution->kernel, filters);
    const std::span<float> weights = parameters.value(convolution->weight);
    Rng rng(seed, RandomStream::initialisation, static_cast<std::uint32_t>(convolution->weight));
    for (std::size_t at = 0; at < weights.size(); at += n * n) {
      const std::span<float> filter = weights.subspan(at, n * n);
      if (kind == DepthwiseInitialisation::gaussian) draw_gaussian(root, n, rng, filter);
      if (kind == DepthwiseInitialisation::impulse) draw_impulse(rng, filter);
    }
  }
  if (!found) {
    fail_usage("depthwise-init = {}: the network has no depthwise convolution, as ConvMixers have; expected default",
               kind == DepthwiseInitialisation::gaussian ? "gaussian" : "impulse");
  }
}

}  // namespace convmixer

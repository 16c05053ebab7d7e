/// A first convolution that whitens the patches it sees: its outputs are uncorrelated, of mean 0 and variance 1.
#pragma once

#include "convmixer/graph/parameters.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace convmixer {

/// Mean and covariance of the patches that a network's first convolution sees.
class PatchStatistics {
 public:
  /// Of no patches so far. Throws Error (usage) for a network that doesn't begin with a convolution over all colours,
  /// or whose patches have over kMostValues values.
  explicit PatchStatistics(const Graph& graph);

  static constexpr std::int64_t kMostValues = 1024;

  /// Of a patch: C x K x K.
  [[nodiscard]] std::size_t values() const noexcept { return sums_.size(); }
  /// Of an image; those that lie wholly in it.
  [[nodiscard]] std::int64_t patches_per_image() const noexcept;
  [[nodiscard]] std::int64_t patches() const noexcept { return patches_; }

  /// The patches of an image (C, H, W) of the network's size, normalised as for training. Throws Error (usage) for
  /// one of another size.
  void add(std::span<const float> image);

  /// (C, K, K), and (C K K, C K K), both row-major. Only with patches.
  [[nodiscard]] std::vector<double> mean() const;
  [[nodiscard]] std::vector<double> covariance() const;

 private:
  Shape image_;
  int kernel_ = 0;
  int stride_ = 0;
  std::int64_t patches_ = 0;
  std::vector<double> sums_;
  std::vector<double> products_;  // the lower triangle of the sum of x x^T
  std::vector<double> patch_;
};

/// What is added to the patches' variance in every direction, so that those in which they hardly vary, which is mostly
/// noise, aren't blown up: KellerJordan/cifar10-airbench's.
inline constexpr double kWhiteningEpsilon = 5e-4;

/// The first convolution's weight becomes W = R S, its bias -W mean, with S^T S = (covariance + epsilon)^-1, so that
/// S's outputs are white, and R's rows random unit vectors by the seed, orthonormal as far as that goes: C K K at a
/// time, or all if the outputs are fewer. Each output then has variance 1 (less what epsilon takes), which is what
/// GELU is made for: it weighs x by the probability that a standard normal number is smaller. In the published form
/// S = diag(lambda + epsilon)^-1/2 E^T with the covariance's eigenvectors E. Any two such roots S differ by a rotation
/// from the left, and R has no preferred direction: so Cholesky's, which needs no eigenvectors, gives W of the same
/// distribution. Throws Error (usage), with nothing changed, without patches, for patches of another number of values
/// than the first convolution reads, and unless `epsilon` is finite and above 0.
void whiten_stem(Parameters& parameters, const PatchStatistics& patches, std::uint64_t seed,
                 double epsilon = kWhiteningEpsilon);

}  // namespace convmixer

#include "data/augment/beta_distribution.hpp"

#include <cmath>

namespace convmixer {

namespace {

/// In (0, 1], so that it has a logarithm.
double positive_uniform(Rng& rng) { return 1.0 - static_cast<double>(rng.uniform()); }

/// The logarithm of a draw of Gamma(shape), shape > 0.
double draw_log_gamma(double shape, Rng& rng) {
  // Gamma(a) is Gamma(a + 1) * uniform^(1 / a).
  if (shape < 1.0) return draw_log_gamma(shape + 1.0, rng) + std::log(positive_uniform(rng)) / shape;
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const auto x = static_cast<double>(rng.normal());
    const double root = 1.0 + c * x;
    if (root <= 0.0) continue;
    const double v = root * root * root;
    if (std::log(positive_uniform(rng)) < 0.5 * x * x + d - d * v + d * std::log(v)) return std::log(d * v);
  }
}

}  // namespace

double draw_symmetric_beta(double alpha, Rng& rng) {
  const double first = draw_log_gamma(alpha, rng);
  const double second = draw_log_gamma(alpha, rng);
  return 1.0 / (1.0 + std::exp(second - first));
}

}  // namespace convmixer

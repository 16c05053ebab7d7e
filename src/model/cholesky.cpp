#include "model/cholesky.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

namespace convmixer {

std::vector<double> cholesky(std::span<const double> matrix, std::size_t n, double least_pivot) {
  assert(matrix.size() == n * n && least_pivot > 0.0);
  std::vector<double> lower(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    double* const row = lower.data() + i * n;
    for (std::size_t j = 0; j <= i; ++j) {
      const double* const other = lower.data() + j * n;
      const double rest = matrix[i * n + j] - std::inner_product(row, row + j, other, 0.0);
      row[j] = i == j ? std::sqrt(std::max(rest, least_pivot)) : rest / other[j];
    }
  }
  return lower;
}

void solve_transposed(std::span<const double> lower, std::span<double> b) {
  const std::size_t n = b.size();
  assert(lower.size() == n * n);
  for (std::size_t i = n; i-- > 0;) {
    const double* const row = lower.data() + i * n;
    b[i] /= row[i];
    for (std::size_t j = 0; j < i; ++j) b[j] -= row[j] * b[i];
  }
}

}  // namespace convmixer

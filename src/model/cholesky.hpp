/// A square root of small symmetric matrices.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace convmixer {

/// The lower triangle L, (n, n) row-major with zeros above, for which L L^T is the symmetric positive definite matrix
/// (n, n), of which the lower triangle is read. No pivot, L_ii^2, is taken for less than `least_pivot`, above 0: in
/// exact arithmetic none is below the smallest eigenvalue, so for the bound on that this changes nothing but what
/// rounding makes of a nearly singular matrix.
[[nodiscard]] std::vector<double> cholesky(std::span<const double> matrix, std::size_t n, double least_pivot);

/// Solves L^T x = b, both of n numbers, in place of b.
void solve_transposed(std::span<const double> lower, std::span<double> b);

}  // namespace convmixer

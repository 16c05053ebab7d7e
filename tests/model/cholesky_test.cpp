#include "model/cholesky.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <vector>

namespace convmixer {
namespace {

using testing::DoubleNear;
using testing::Pointwise;

TEST(Cholesky, AgreesWithPyTorch) {
  const std::vector<double> matrix{4, 2, -1, 2, 5, 3, -1, 3, 6};
  const std::vector<double> lower = cholesky(matrix, 3, 1e-12);
  EXPECT_THAT(lower, Pointwise(DoubleNear(1e-8), {2.0, 0.0, 0.0, 1.0, 2.0, 0.0, -0.5, 1.75, 1.63935963}));
  std::vector<double> x{1, 2, 3};
  solve_transposed(lower, x);
  EXPECT_THAT(x, Pointwise(DoubleNear(1e-8), {1.25811321, -0.601234988, 1.82998284}));
}

TEST(Cholesky, ReadsTheLowerTriangleAlone) {
  EXPECT_EQ(cholesky(std::vector<double>{4, NAN, 2, 5}, 2, 1e-12), (std::vector<double>{2, 0, 1, 2}));
}

TEST(Cholesky, StaysFiniteForASingularMatrix) {
  const std::vector<double> ones(9, 1.0);
  const std::vector<double> lower = cholesky(ones, 3, 1e-10);
  EXPECT_THAT(lower, Pointwise(DoubleNear(1e-4), {1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0}));
}

}  // namespace
}  // namespace convmixer

// Matrices made orthogonal against a plain loop in double precision.
#include "kernels/newton_schulz.hpp"

#include "convmixer/core/rng.hpp"
#include "kernels/fused/stage_values.hpp"
#include "kernels/instruction_sets.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace convmixer::kernels {
namespace {

using namespace testing_support;

class NewtonSchulzTest : public OnEveryInstructionSet {};
INSTANTIATE_TEST_SUITE_P(All, NewtonSchulzTest, every_instruction_set(), name_of_instruction_set);

template <class Number>
struct Matrix {
  Matrix(std::size_t row_count, std::size_t column_count)
      : rows(row_count), columns(column_count), values(rows * columns) {}
  Number& operator()(std::size_t r, std::size_t c) { return values[r * columns + c]; }
  const Number& operator()(std::size_t r, std::size_t c) const { return values[r * columns + c]; }

  std::size_t rows;
  std::size_t columns;
  std::vector<Number> values;
};

Matrix<float> random_matrix(std::size_t rows, std::size_t columns) {
  Rng rng(7, RandomStream::synthetic_data, static_cast<std::uint32_t>(1000 * rows + columns));
  Matrix<float> matrix(rows, columns);
  std::ranges::generate(matrix.values, [&] { return rng.normal(); });
  return matrix;
}

double norm(const std::vector<float>& values) {
  double sum = 0.0;
  for (const float value : values) sum += number(value) * number(value);
  return std::sqrt(sum);
}

Matrix<double> product(const Matrix<double>& a, const Matrix<double>& b) {
  Matrix<double> result(a.rows, b.columns);
  for (std::size_t r = 0; r < a.rows; ++r) {
    for (std::size_t k = 0; k < a.columns; ++k) {
      for (std::size_t c = 0; c < b.columns; ++c) result(r, c) += a(r, k) * b(k, c);
    }
  }
  return result;
}

Matrix<double> transposed(const Matrix<double>& a) {
  Matrix<double> result(a.columns, a.rows);
  for (std::size_t r = 0; r < a.rows; ++r) {
    for (std::size_t c = 0; c < a.columns; ++c) result(c, r) = a(r, c);
  }
  return result;
}

/// The formula as muon.py has it: A = X X', X <- a X + (b A + c A A) X.
Matrix<double> plain(const Matrix<float>& matrix, int steps) {
  constexpr double kA = 3.4445;
  constexpr double kB = -4.7750;
  constexpr double kC = 2.0315;
  Matrix<double> x(matrix.rows, matrix.columns);
  const double scale = 1.0 / (norm(matrix.values) + 1e-7);
  std::ranges::transform(matrix.values, x.values.begin(), [&](float value) { return number(value) * scale; });
  for (int step = 0; step < steps; ++step) {
    const Matrix<double> gram = product(x, transposed(x));
    Matrix<double> polynomial = product(gram, gram);
    for (std::size_t i = 0; i < gram.values.size(); ++i) {
      polynomial.values[i] = kB * gram.values[i] + kC * polynomial.values[i];
    }
    const Matrix<double> raised = product(polynomial, x);
    for (std::size_t i = 0; i < x.values.size(); ++i) x.values[i] = kA * x.values[i] + raised.values[i];
  }
  return x;
}

template <class Storage>
Matrix<float> orthogonal(const Matrix<float>& matrix, int steps = 5) {
  using Iteration = NewtonSchulz<Storage>;
  auto memory = untouched<float>(Iteration::memory_floats(matrix.rows, matrix.columns));
  auto scratch = untouched<float>(Iteration::scratch_floats(matrix.rows, matrix.columns));
  Matrix<float> result = matrix;  // in its place
  const auto scale = static_cast<float>(1.0 / (norm(matrix.values) + Iteration::kEpsilon));
  Iteration(matrix.rows, matrix.columns, memory.data())
      .run(result.values.data(), scale, steps, scratch.data(), result.values.data());
  return result;
}

/// The distance from the plain loop's result, in parts of that result's norm.
template <class Storage>
double error_of_run(const Matrix<float>& matrix, int steps) {
  const Matrix<float> found = orthogonal<Storage>(matrix, steps);
  const Matrix<double> expected = plain(matrix, steps);
  double error = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < found.values.size(); ++i) {
    error += std::pow(number(found.values[i]) - expected.values[i], 2);
    size += std::pow(expected.values[i], 2);
  }
  return std::sqrt(error / size);
}

struct Size {
  std::size_t rows;
  std::size_t columns;
};
constexpr Size kSizes[] = {{1, 1}, {4, 5}, {32, 32}, {33, 33}, {70, 40}, {40, 70}, {101, 7}, {7, 101}, {64, 96}};

template <class Storage>
void expect_plain_results(double tolerance) {
  for (const auto& [rows, columns] : kSizes) {
    for (const int steps : {1, 2, 5}) {
      EXPECT_LT(error_of_run<Storage>(random_matrix(rows, columns), steps), tolerance)
          << rows << " x " << columns << ", " << steps << " steps";
    }
  }
}
TEST_P(NewtonSchulzTest, MatchesPlainLoopInF32) { expect_plain_results<F32Storage>(2e-5); }
TEST_P(NewtonSchulzTest, MatchesPlainLoopInBf16) {
  if (!can_run_bf16_stages()) GTEST_SKIP() << kNoBf16Stages;
  expect_plain_results<Bf16Storage>(0.04);
}

/// Whether a symmetric matrix has no eigenvalue of 0 or below: whether Cholesky's factorisation goes through.
bool is_positive_definite(Matrix<double> a) {
  for (std::size_t j = 0; j < a.rows; ++j) {
    for (std::size_t k = 0; k < j; ++k) a(j, j) -= a(j, k) * a(j, k);
    if (!(a(j, j) > 0.0)) return false;
    a(j, j) = std::sqrt(a(j, j));
    for (std::size_t i = j + 1; i < a.rows; ++i) {
      for (std::size_t k = 0; k < j; ++k) a(i, j) -= a(i, k) * a(j, k);
      a(i, j) /= a(j, j);
    }
  }
  return true;
}

/// A matrix's smaller product with itself, less the square of `least`, and the square of `most` less it, have no
/// eigenvalue below 0 if all of its singular values are between the two.
void expect_singular_values(const Matrix<float>& matrix, double least, double most) {
  Matrix<double> exact(matrix.rows, matrix.columns);
  std::ranges::transform(matrix.values, exact.values.begin(), [](float value) { return number(value); });
  const Matrix<double> flipped = transposed(exact);
  const Matrix<double> gram = matrix.rows < matrix.columns ? product(exact, flipped) : product(flipped, exact);
  Matrix<double> above = gram;
  Matrix<double> below = gram;
  for (double& value : below.values) value = -value;
  for (std::size_t i = 0; i < gram.rows; ++i) {
    above(i, i) -= least * least;
    below(i, i) += most * most;
  }
  EXPECT_TRUE(is_positive_definite(above)) << "one is below " << least;
  EXPECT_TRUE(is_positive_definite(below)) << "one is above " << most;
}

TEST_P(NewtonSchulzTest, BringsSingularValuesNearOne) {
  for (const auto& [rows, columns] : std::initializer_list<Size>{{96, 40}, {40, 96}, {60, 40}}) {
    SCOPED_TRACE(fmt::format("{} x {}", rows, columns));
    expect_singular_values(orthogonal<F32Storage>(random_matrix(rows, columns)), 0.68, 1.21);
    if (can_run_bf16_stages())
      expect_singular_values(orthogonal<Bf16Storage>(random_matrix(rows, columns)), 0.66, 1.23);
  }
}

TEST_P(NewtonSchulzTest, IsTheSameForAMatrixManyTimesAsLarge) {
  const Matrix<float> matrix = random_matrix(40, 33);
  Matrix<float> large = matrix;
  for (float& value : large.values) value *= 16384.0F;  // a power of two: the same bits, but for epsilon
  const Matrix<float> expected = orthogonal<F32Storage>(matrix);
  const Matrix<float> found = orthogonal<F32Storage>(large);
  for (std::size_t i = 0; i < found.values.size(); ++i) ASSERT_NEAR(found.values[i], expected.values[i], 1e-5F) << i;
}

template <class Storage>
void expect_zeros_and_nans() {
  Matrix<float> matrix(9, 5);
  for (const float value : orthogonal<Storage>(matrix).values) EXPECT_EQ(value, 0.0F);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    matrix(4, 2) = bad;
    for (const float value : orthogonal<Storage>(matrix).values) EXPECT_TRUE(std::isnan(value));
  }
}
TEST_P(NewtonSchulzTest, LeavesZerosAndDoesNotHideWhatIsNotFinite) {
  expect_zeros_and_nans<F32Storage>();
  if (can_run_bf16_stages()) expect_zeros_and_nans<Bf16Storage>();
}

/// Phase by phase as run() does, but each phase's panels from the last to the first.
template <class Storage>
void expect_any_order() {
  using Iteration = NewtonSchulz<Storage>;
  constexpr int kSteps = 3;
  const Matrix<float> matrix = random_matrix(70, 130);
  auto memory = untouched<float>(Iteration::memory_floats(matrix.rows, matrix.columns));
  auto scratch = untouched<float>(Iteration::scratch_floats(matrix.rows, matrix.columns));
  Matrix<float> result(matrix.rows, matrix.columns);
  Iteration iteration(matrix.rows, matrix.columns, memory.data());
  ASSERT_EQ(iteration.panels(), 3U);
  const auto scale = static_cast<float>(1.0 / (norm(matrix.values) + Iteration::kEpsilon));
  iteration.begin(matrix.values.data(), scale, scratch.data());
  for (int step = 1; step <= kSteps; ++step) {
    for (std::size_t panel = 3; panel-- > 0;) iteration.gram(panel);
    for (std::size_t panel = 3; panel-- > 0;) iteration.polynomial(panel);
    for (std::size_t panel = 3; panel-- > 0;) {
      if (step < kSteps) {
        iteration.multiply(panel, scratch.data());
      } else {
        iteration.finish(panel, scratch.data(), result.values.data());
      }
    }
    iteration.end_step();
  }
  EXPECT_EQ(result.values, orthogonal<Storage>(matrix, kSteps).values);
}
TEST_P(NewtonSchulzTest, TakesPanelsInAnyOrder) {
  expect_any_order<F32Storage>();
  if (can_run_bf16_stages()) expect_any_order<Bf16Storage>();
}

}  // namespace
}  // namespace convmixer::kernels

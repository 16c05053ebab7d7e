#include "kernels/plain/gelu_table.hpp"

#include <cmath>
#include <numbers>

namespace convmixer::kernels {

namespace {

double half_distribution(double x) { return 0.5 * std::erf(x / std::numbers::sqrt2); }  // Phi(x) - 1/2
double density(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi); }

/// Coefficients, lowest first, of the parabola through a function's values at the three Chebyshev points of an
/// interval.
template <typename Function>
std::array<double, 3> parabola(double begin, double end, const Function& function) {
  const double centre = 0.5 * (begin + end);
  const double reach = 0.5 * (end - begin) * std::cos(std::numbers::pi / 6.0);
  const double left = function(centre - reach);
  const double middle = function(centre);
  const double right = function(centre + reach);
  const double curve = (left - 2.0 * middle + right) / (2.0 * reach * reach);
  const double slope = (right - left) / (2.0 * reach);
  return {middle - slope * centre + curve * centre * centre, slope - 2.0 * curve * centre, curve};
}

GeluTable make_table() {
  GeluTable table{};
  const double width = GeluTable::kWidth;
  for (std::size_t i = 0; i < GeluTable::kSegments; ++i) {
    const bool last = i + 1 == GeluTable::kSegments;
    const double begin = i == 0 ? 0.0 : (static_cast<double>(i) - 0.5) * width;
    const double end = (static_cast<double>(i) + 0.5) * width;
    const auto value = parabola(begin, end, [](double x) { return x * half_distribution(x); });
    const auto gelu_derivative = parabola(begin, end, [](double x) { return half_distribution(x) + x * density(x); });
    for (std::size_t power = 0; power < 3; ++power) {
      table.value[power][i] = static_cast<float>(last ? (power == 1 ? 0.5 : 0.0) : value[power]);
      table.gelu_derivative[power][i] = static_cast<float>(last ? (power == 0 ? 0.5 : 0.0) : gelu_derivative[power]);
    }
  }
  return table;
}

/// Coefficients, lowest first, of the polynomial through a function's values at n Chebyshev points of [-1/2, 1/2].
template <std::size_t n, typename Function>
std::array<double, n> interpolate(const Function& function) {
  // Newton's divided differences, multiplied out.
  std::array<double, n> points{};
  std::array<double, n> differences{};
  for (std::size_t i = 0; i < n; ++i) {
    points[i] = 0.5 * std::cos(std::numbers::pi * (static_cast<double>(i) + 0.5) / static_cast<double>(n));
    differences[i] = function(points[i]);
  }
  for (std::size_t order = 1; order < n; ++order) {
    for (std::size_t i = n - 1; i >= order; --i) {
      differences[i] = (differences[i] - differences[i - 1]) / (points[i] - points[i - order]);
    }
  }
  std::array<double, n> coefficients{};
  for (std::size_t i = n; i-- > 0;) {  // times (x - points[i]), plus differences[i]
    for (std::size_t k = n - 1; k > 0; --k) coefficients[k] = coefficients[k - 1] - points[i] * coefficients[k];
    coefficients[0] = differences[i] - points[i] * coefficients[0];
  }
  return coefficients;
}

FineGeluTable make_fine_table() {
  FineGeluTable table{};
  for (std::size_t i = 0; i + 1 < FineGeluTable::kSegments; ++i) {
    const auto coefficients = interpolate<FineGeluTable::kDegree + 1>([&](double x) {
      return half_distribution((static_cast<double>(i) + x) * static_cast<double>(FineGeluTable::kWidth));
    });
    for (std::size_t k = 0; k < coefficients.size(); ++k) {
      table.coefficient[k][i] = static_cast<float>(coefficients[k]);
    }
  }
  table.coefficient[0][FineGeluTable::kSegments - 1] = 0.5F;
  table.coefficient[0][0] = 0.0F;  // q is odd
  return table;
}

}  // namespace

const FineGeluTable& fine_gelu_table() {
  static const FineGeluTable kTable = make_fine_table();
  return kTable;
}

const GeluTable& gelu_table() {
  static const GeluTable kTable = make_table();
  return kTable;
}

}  // namespace convmixer::kernels

/// What an operation takes at least, and the least time in which a machine could do it: the roofline model of Williams,
/// Waterman & Patterson, CACM 52 (2009).
#pragma once

#include <algorithm>

namespace convmixer::perf {

/// The unit that could do the arithmetic at best.
enum class Unit {
  matrix,  ///< products of matrices, in the operation's precision
  vector,  ///< everything else: f32 multiply-adds
};

struct Cost {
  double flops = 0.0;  ///< as the formula has them; a multiply-add is two
  double bytes = 0.0;  ///< every operand read once, every result written once
  Unit unit = Unit::vector;
};

/// Of one precision.
struct Roofs {
  double matrix = 0.0;  ///< FLOP per second
  double vector = 0.0;  ///< FLOP per second
  double memory = 0.0;  ///< bytes per second
};

[[nodiscard]] inline double arithmetic_seconds(const Cost& cost, const Roofs& roofs) {
  return cost.flops / (cost.unit == Unit::matrix ? roofs.matrix : roofs.vector);
}

[[nodiscard]] inline double memory_seconds(const Cost& cost, const Roofs& roofs) { return cost.bytes / roofs.memory; }

/// Arithmetic and transfers overlap: the longer of the two. Operands that a cache holds can be faster.
[[nodiscard]] inline double least_seconds(const Cost& cost, const Roofs& roofs) {
  return std::max(arithmetic_seconds(cost, roofs), memory_seconds(cost, roofs));
}

/// What keeps it from being faster on a machine with these roofs: "memory", "matrix product", "multiply-add".
[[nodiscard]] inline const char* limit_name(const Cost& cost, const Roofs& roofs) {
  if (memory_seconds(cost, roofs) >= arithmetic_seconds(cost, roofs)) return "memory";
  return cost.unit == Unit::matrix ? "matrix product" : "multiply-add";
}

}  // namespace convmixer::perf

#include "kernels/plain/transpose.hpp"

#include <algorithm>

// Everything between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE is compiled once for each instruction set: Highway
// includes this file again for each. The order of these lines matters.
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/plain/transpose.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "kernels/plain/transpose-inl.h"
// clang-format on

#ifndef CONVMIXER_TRANSPOSE_TYPES
#define CONVMIXER_TRANSPOSE_TYPES
namespace convmixer::kernels {

/// Part of a matrix of `rows` x `columns`.
struct MatrixRows {
  std::size_t begin;
  std::size_t end;
  std::size_t rows;
  std::size_t columns;
};

}  // namespace convmixer::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace convmixer::kernels::HWY_NAMESPACE {

/// Of a matrix at the beginning of src and dst.
void transpose_rows(const MatrixRows& part, const ReadValues& src, const WrittenValues& dst) {
  with_elements(src, [&](const auto* x) {
    with_elements(dst, [&](auto* y) {
      transpose_matrix(part.end - part.begin, part.columns, x + part.begin * part.columns, part.columns, y + part.begin,
                       part.rows);
    });
  });
}

}  // namespace convmixer::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convmixer::kernels {

HWY_EXPORT(transpose_rows);

void transpose(Runtime& runtime, std::int64_t matrices, std::int64_t rows, std::int64_t columns, const ReadValues& src,
               const WrittenValues& dst) {
  constexpr std::int64_t kRows = 64;  // of a task
  const std::int64_t parts = (rows + kRows - 1) / kRows;
  runtime.parallel_for(matrices * parts, [&](std::int64_t task) {
    const std::int64_t begin = task % parts * kRows;
    const std::int64_t end = std::min(rows, begin + kRows);
    const auto first = static_cast<std::size_t>(task / parts * rows * columns);
    const MatrixRows part{static_cast<std::size_t>(begin), static_cast<std::size_t>(end),
                          static_cast<std::size_t>(rows), static_cast<std::size_t>(columns)};
    HWY_DYNAMIC_DISPATCH(transpose_rows)(part, src.from(first), dst.from(first));
  });
}

}  // namespace convmixer::kernels
#endif

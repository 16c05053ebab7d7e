/// The two inner dimensions of a tensor, exchanged.
///
/// Why not oneDNN's reorder: version 2 has no vector code for bf16 in this order, and its result has the type that is
/// read or another conversion; here a product's operand is written once, in its type.
#pragma once

#include "kernels/plain/typed_values.hpp"

#include <cstdint>

namespace convmixer::kernels {

/// dst[n, c, r] = src[n, r, c] for `matrices` row-major matrices of `rows` x `columns` in src.
void transpose(Runtime& runtime, std::int64_t matrices, std::int64_t rows, std::int64_t columns, const ReadValues& src,
               const WrittenValues& dst);

}  // namespace convmixer::kernels

#include "plan/tiled_product.hpp"

namespace convmixer {

namespace {

std::size_t tile_rows(std::size_t rows) {
  const std::size_t tiles = (rows + TiledProduct::kRows - 1) / TiledProduct::kRows;
  return (rows + tiles - 1) / tiles;
}

/// The last part's size when `all` is cut into parts of `size`.
std::size_t last_part(std::size_t all, std::size_t size) { return (all - 1) % size + 1; }

}  // namespace

TiledProduct::TiledProduct(kernels::Runtime& runtime, const TiledProductProblem& problem)
    : problem_(problem), tile_rows_(tile_rows(problem.rows)), slice_(std::min(kColumns, problem.columns)) {
  for (const std::size_t columns : {slice_, last_part(problem.columns, slice_)}) {
    for (const std::size_t rows : {tile_rows_, last_part(problem.rows, tile_rows_)}) {
      const kernels::ProductProblem part{.rows = static_cast<std::int64_t>(rows),
                                         .columns = static_cast<std::int64_t>(columns),
                                         .inner = static_cast<std::int64_t>(problem.inner),
                                         .type = problem.type,
                                         .a_stride = static_cast<std::int64_t>(problem.a_stride),
                                         .dst_stride = static_cast<std::int64_t>(kColumns),
                                         .bias = problem.bias};
      // Tiles of all heights read the same packed weights.
      const bool packed_before = planned_.size() % 2 == 1;
      const kernels::Layout packed = packed_before ? planned_.back().packed() : kernels::Layout();
      planned_.emplace_back(runtime, part, packed_before ? &packed : nullptr);
    }
  }
}

std::size_t TiledProduct::scratchpad_bytes() const {
  std::size_t most = 0;
  for (const kernels::PlannedProduct& product : planned_) most = std::max(most, product.scratchpad_bytes());
  return most;
}

std::size_t TiledProduct::packed_bytes() const {
  return ((problem_.columns - 1) / slice_) * slice_bytes(false) + slice_bytes(problem_.columns % slice_ != 0);
}

void TiledProduct::add_packings(kernels::Runtime& runtime, const float* from, std::size_t row_stride,
                                std::size_t column_stride, std::byte* to,
                                std::vector<kernels::Packing>& packings) const {
  for (std::size_t column = 0; column < problem_.columns; column += slice_) {
    const bool last = problem_.columns - column < slice_;
    packings.emplace_back(runtime, planned(false, last), from + column * column_stride,
                          static_cast<std::int64_t>(row_stride), static_cast<std::int64_t>(column_stride), to);
    to += slice_bytes(last);
  }
}

TiledProduct::Worker::Worker(kernels::Runtime& runtime, const TiledProduct& product, void* scratchpad)
    : product_(&product) {
  for (const kernels::PlannedProduct& planned : product.planned_) products_.emplace_back(runtime, planned, scratchpad);
}

}  // namespace convmixer

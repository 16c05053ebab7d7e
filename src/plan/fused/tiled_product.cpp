#include "plan/fused/tiled_product.hpp"

#include <memory>

namespace convmixer {

using kernels::Bf16Storage;
using kernels::ElementType;
using kernels::F32Storage;
using kernels::kChannelBlock;

namespace {

/// Tiles of about the same height, `most` at most.
std::size_t tile_rows(std::size_t rows, std::size_t most) {
  const std::size_t tiles = (rows + most - 1) / most;
  return (rows + tiles - 1) / tiles;
}

/// The last part's size when `all` is cut into parts of `size`.
std::size_t last_part(std::size_t all, std::size_t size) { return (all - 1) % size + 1; }

}  // namespace

TiledProduct::TiledProduct(kernels::Runtime& runtime, const TiledProductProblem& problem, ProductKernels products)
    : problem_(problem),
      tile_rows_(tile_rows(problem.rows, products == ProductKernels::hand_written ? kHandWrittenRows : kOnednnRows)),
      slice_(
          std::min(products == ProductKernels::hand_written ? kHandWrittenColumns : kOnednnColumns, problem.columns)) {
  if (products == ProductKernels::onednn) plan_onednn(runtime);
}

void TiledProduct::plan_onednn(kernels::Runtime& runtime) {
  for (const std::size_t columns : {slice_, last_part(problem_.columns, slice_)}) {
    for (const std::size_t rows : {tile_rows_, last_part(problem_.rows, tile_rows_)}) {
      const kernels::ProductProblem part{.rows = static_cast<std::int64_t>(rows),
                                         .columns = static_cast<std::int64_t>(columns),
                                         .inner = static_cast<std::int64_t>(problem_.inner),
                                         .type = problem_.type,
                                         .a_stride = static_cast<std::int64_t>(problem_.inner),
                                         .dst_stride = static_cast<std::int64_t>(columns),  // dense, or it is gemm
                                         .bias = problem_.bias};
      // Tiles of all heights read the same packed weights.
      const bool packed_before = planned_.size() % 2 == 1;
      const kernels::Layout packed = packed_before ? planned_.back().packed() : kernels::Layout();
      planned_.emplace_back(runtime, part, packed_before ? &packed : nullptr);
    }
  }
}

std::string TiledProduct::implementation() const {
  return is_hand_written() ? "hand-written" : planned(false, false).implementation();
}

std::size_t TiledProduct::scratchpad_bytes() const {
  std::size_t most = 0;
  for (const kernels::PlannedProduct& product : planned_) most = std::max(most, product.scratchpad_bytes());
  return most;
}

std::size_t TiledProduct::packed_bytes() const {
  if (!is_hand_written()) {
    return ((problem_.columns - 1) / slice_) * slice_bytes(false) + slice_bytes(problem_.columns % slice_ != 0);
  }
  const auto floats = problem_.type == ElementType::f32 ? kernels::packed_panels_size<F32Storage>
                                                        : kernels::packed_panels_size<Bf16Storage>;
  return floats(problem_.inner, problem_.columns) * sizeof(float);
}

kernels::RowLayout TiledProduct::operand() const {
  return is_hand_written() ? kernels::RowLayout{kChannelBlock, problem_.rows * kChannelBlock}
                           : kernels::RowLayout{problem_.inner, kChannelBlock};
}

std::size_t TiledProduct::operand_elements() const {
  return problem_.rows * (is_hand_written() ? kernels::padded_channels(problem_.inner) : problem_.inner);
}

void TiledProduct::add_packings(kernels::Runtime& runtime, const float* from, std::size_t row_stride,
                                std::size_t column_stride, std::byte* to,
                                std::vector<std::function<void()>>& packings) const {
  if (is_hand_written()) {
    const auto pack =
        problem_.type == ElementType::f32 ? kernels::pack_panels<F32Storage> : kernels::pack_panels<Bf16Storage>;
    packings.emplace_back([=, inner = problem_.inner, columns = problem_.columns, layout = panel_layout_] {
      pack(from, row_stride, column_stride, inner, columns, reinterpret_cast<float*>(to), layout);
    });
    return;
  }
  for (std::size_t column = 0; column < problem_.columns; column += slice_) {
    const bool last = problem_.columns - column < slice_;
    const auto packing = std::make_shared<kernels::Packing>(
        runtime, planned(false, last), from + column * column_stride, static_cast<std::int64_t>(row_stride),
        static_cast<std::int64_t>(column_stride), to);
    packings.emplace_back([packing] { packing->run(); });
    to += slice_bytes(last);
  }
}

TiledProduct::Worker::Worker(kernels::Runtime& runtime, const TiledProduct& product, void* scratchpad)
    : product_(&product) {
  for (const kernels::PlannedProduct& planned : product.planned_) products_.emplace_back(runtime, planned, scratchpad);
}

}  // namespace convmixer

/// The product of one image's pixels with a stage's weights, in tiles that stay in the cache until the stage's next
/// operation has read them.
/// Sizes (tile, panel, slice, channel block): see "Words" in HACKING.md.
#pragma once

#include "kernels/fused/panel_packing.hpp"
#include "kernels/fused/panel_product.hpp"
#include "kernels/fused/stage_storage.hpp"
#include "kernels/onednn/matrix_product.hpp"
#include "plan/product_kernels.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace convmixer {

struct TiledProductProblem {
  std::size_t rows;     ///< pixels of an image
  std::size_t columns;  ///< channels of the result, whole channel blocks
  std::size_t inner;    ///< channels of the operand, or values of a patch
  kernels::ElementType type;
  bool bias;
  std::size_t padding = 0;  ///< how many of the last columns only fill a channel block: weights and bias are 0 there
};

/// One tile of a result: rows x columns floats, rows `stride` apart.
struct ProductTile {
  const float* values;
  std::size_t stride;
  std::size_t first_row;
  std::size_t rows;
  std::size_t first_column;
  std::size_t columns;
};

/// Some of a product's tiles, by number: those of the first slice from its first row down, those of the second slice,
/// ...
struct TileRange {
  std::size_t begin;
  std::size_t end;
};

class TiledProduct {
 public:
  // A tile's 32 KiB of f32 values, in columns and rows at most:
  static constexpr std::size_t kHandWrittenColumns = kernels::kChannelBlock;
  static constexpr std::size_t kHandWrittenRows = 256;
  static constexpr std::size_t kOnednnColumns = 64;
  static constexpr std::size_t kOnednnRows = 128;

  /// `products` is hand_written or onednn.
  TiledProduct(kernels::Runtime& runtime, const TiledProductProblem& problem, ProductKernels products);

  static_assert(kHandWrittenRows * kHandWrittenColumns == kOnednnRows * kOnednnColumns);

  [[nodiscard]] std::string implementation() const;
  [[nodiscard]] std::size_t scratchpad_bytes() const;
  [[nodiscard]] static constexpr std::size_t tile_floats() { return kHandWrittenRows * kHandWrittenColumns; }
  [[nodiscard]] std::size_t packed_bytes() const;

  /// How many there are: of a slice, for an operand of so many rows, and of the result.
  [[nodiscard]] std::size_t tiles_of_slice(std::size_t rows) const { return (rows + tile_rows_ - 1) / tile_rows_; }
  [[nodiscard]] std::size_t slices() const { return (problem_.columns + slice_ - 1) / slice_; }
  [[nodiscard]] std::size_t tiles(std::size_t rows) const { return tiles_of_slice(rows) * slices(); }

  /// How the operand's rows lie, and how many elements they take.
  [[nodiscard]] kernels::RowLayout operand() const;
  [[nodiscard]] std::size_t operand_elements() const;

  /// Adds what packs the weights: element (i, j) of the `inner` x `columns` matrix at
  /// from[i * row_stride + j * column_stride]. Each runs on one thread, under kernels::OneThread.
  void add_packings(kernels::Runtime& runtime, const float* from, std::size_t row_stride, std::size_t column_stride,
                    std::byte* to, std::vector<std::function<void()>>& packings) const;

  /// What one worker needs to run it.
  class Worker {
   public:
    Worker(kernels::Runtime& runtime, const TiledProduct& product, void* scratchpad);

    /// Calls use(ProductTile) for every tile in turn. `tile` has tile_floats(). Hand-written kernels take fewer `rows`
    /// than the problem has, too.
    template <typename Use>
    void run(const void* a, std::size_t rows, const std::byte* packed, const float* bias, float* tile, const Use& use) {
      run(a, rows, {0, product_->tiles(rows)}, packed, bias, tile, use);
    }
    /// The same for some of the tiles: none depends on which others are run with it.
    template <typename Use>
    void run(const void* a, std::size_t rows, const TileRange& tiles, const std::byte* packed, const float* bias,
             float* tile, const Use& use) {
      for (std::size_t number = tiles.begin; number < tiles.end; ++number) {
        const ProductTile place = product_->place_of(number, rows, tile);
        const float* const tile_bias = bias == nullptr ? nullptr : bias + place.first_column;
        if (!products_.empty()) {
          run_onednn(a, place, packed, tile_bias, tile);
        } else if (product_->problem_.type == kernels::ElementType::f32) {
          run_hand_written<kernels::F32Storage>(static_cast<const float*>(a), place, packed, tile_bias, tile);
        } else {
          run_hand_written<kernels::Bf16Storage>(static_cast<const kernels::Bf16*>(a), place, packed, tile_bias, tile);
        }
        use(place);
      }
    }

   private:
    template <class Storage>
    void run_hand_written(const typename Storage::Operand* a, const ProductTile& place, const std::byte* packed,
                          const float* bias, float* tile) const {
      const TiledProductProblem& p = product_->problem_;
      const std::size_t panel = place.first_column / kernels::kChannelBlock;
      kernels::multiply_rows<Storage>({.a = a + place.first_row * kernels::kChannelBlock,
                                       .a_block = p.rows * kernels::kChannelBlock,
                                       .b = reinterpret_cast<const float*>(packed) +
                                            panel * kernels::packed_panels_size<Storage>(p.inner, place.columns),
                                       .layout = product_->panel_layout_,
                                       .rows = place.rows,
                                       .inner = p.inner,
                                       .columns = std::min(place.columns, p.columns - p.padding - place.first_column),
                                       .bias = bias,
                                       .dst = tile});
    }

    void run_onednn(const void* a, const ProductTile& place, const std::byte* packed, const float* bias, float* tile) {
      const std::size_t slice = place.first_column / product_->slice_;
      kernels::Product& product =
          products_[index(place.rows != product_->tile_rows_, place.columns != product_->slice_)];
      product.run(
          static_cast<const std::byte*>(a) + place.first_row * product_->problem_.inner * product_->element_bytes(),
          packed + slice * product_->slice_bytes(false), bias, tile);
    }

    const TiledProduct* product_;
    std::vector<kernels::Product> products_;  // oneDNN's, by index(); none if it runs hand-written ones
  };

 private:
  static std::size_t index(bool last_rows, bool last_columns) {
    return (last_rows ? 1U : 0U) + (last_columns ? 2U : 0U);
  }
  void plan_onednn(kernels::Runtime& runtime);
  /// The tile of that number, with its values in `values`.
  [[nodiscard]] ProductTile place_of(std::size_t number, std::size_t rows, const float* values) const {
    const std::size_t row = number % tiles_of_slice(rows) * tile_rows_;
    const std::size_t column = number / tiles_of_slice(rows) * slice_;
    const std::size_t columns = std::min(slice_, problem_.columns - column);
    return {values, columns, row, std::min(tile_rows_, rows - row), column, columns};
  }
  [[nodiscard]] bool is_hand_written() const { return planned_.empty(); }
  [[nodiscard]] const kernels::PlannedProduct& planned(bool last_rows, bool last_columns) const {
    return planned_[index(last_rows, last_columns)];
  }
  [[nodiscard]] std::size_t element_bytes() const { return problem_.type == kernels::ElementType::f32 ? 4 : 2; }
  /// Of a slice's packed weights, in whole cache lines.
  [[nodiscard]] std::size_t slice_bytes(bool last) const {
    return (planned(false, last).packed().bytes() + 63) / 64 * 64;
  }

  TiledProductProblem problem_;
  std::size_t tile_rows_;
  std::size_t slice_;
  kernels::PanelLayout panel_layout_ = kernels::best_panel_layout();
  std::vector<kernels::PlannedProduct> planned_;  // by index(); the last ones may be as the others
};

}  // namespace convmixer

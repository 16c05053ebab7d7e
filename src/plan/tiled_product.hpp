/// The product of one image's pixels with a stage's weights, in tiles that stay in the cache until the stage's next
/// operation has read them.
#pragma once

#include "kernels/matrix_product.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace convmixer {

struct TiledProductProblem {
  std::size_t rows;     ///< pixels of an image
  std::size_t columns;  ///< channels of the result, whole blocks of 32
  std::size_t inner;    ///< channels of the operand, or values of a patch
  kernels::ElementType type;
  std::size_t a_stride;  ///< elements between rows of the operand
  bool bias;
};

/// One tile of a result: rows x columns floats, rows kColumns apart.
struct ProductTile {
  const float* values;
  std::size_t stride;
  std::size_t first_row;
  std::size_t rows;
  std::size_t first_column;
  std::size_t columns;
};

class TiledProduct {
 public:
  static constexpr std::size_t kRows = 128;    ///< with kColumns f32 values each: 32 KiB
  static constexpr std::size_t kColumns = 64;  ///< at most

  TiledProduct(kernels::Runtime& runtime, const TiledProductProblem& problem);

  [[nodiscard]] const std::string& implementation() const { return planned(false, false).implementation(); }
  [[nodiscard]] std::size_t scratchpad_bytes() const;
  [[nodiscard]] static constexpr std::size_t tile_floats() { return kRows * kColumns; }
  [[nodiscard]] std::size_t packed_bytes() const;

  /// Adds what packs the weights: element (i, j) of the `inner` x `columns` matrix at
  /// from[i * row_stride + j * column_stride].
  void add_packings(kernels::Runtime& runtime, const float* from, std::size_t row_stride, std::size_t column_stride,
                    std::byte* to, std::vector<kernels::Packing>& packings) const;

  /// What one worker needs to run it.
  class Worker {
   public:
    Worker(kernels::Runtime& runtime, const TiledProduct& product, void* scratchpad);

    /// Calls use(ProductTile) for every tile in turn. `tile` has tile_floats(), `a` and `packed` are bytes of the type.
    template <typename Use>
    void run(const void* a, const std::byte* packed, const float* bias, float* tile, const Use& use) {
      const TiledProductProblem& p = product_->problem_;
      for (std::size_t column = 0; column < p.columns; column += product_->slice_) {
        const std::size_t columns = std::min(product_->slice_, p.columns - column);
        for (std::size_t row = 0; row < p.rows; row += product_->tile_rows_) {
          const std::size_t rows = std::min(product_->tile_rows_, p.rows - row);
          kernels::Product& product = products_[index(rows != product_->tile_rows_, columns != product_->slice_)];
          product.run(static_cast<const std::byte*>(a) + row * p.a_stride * product_->element_bytes(), packed,
                      bias == nullptr ? nullptr : bias + column, tile);
          use(ProductTile{tile, kColumns, row, rows, column, columns});
        }
        packed += product_->slice_bytes(columns != product_->slice_);
      }
    }

   private:
    const TiledProduct* product_;
    std::vector<kernels::Product> products_;  // by index()
  };

 private:
  static std::size_t index(bool last_rows, bool last_columns) {
    return (last_rows ? 1U : 0U) + (last_columns ? 2U : 0U);
  }
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
  std::vector<kernels::PlannedProduct> planned_;  // by index(); the last ones may be as the others
};

}  // namespace convmixer

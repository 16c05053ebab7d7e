/// The weights of a dense convolution, the stem's or a pointwise one, and the products with them.
/// Sizes (tile): see "Words" in HACKING.md.
#pragma once

#include "plan/fused/refresh_tasks.hpp"
#include "plan/fused/stage_context.hpp"
#include "plan/fused/tiled_product.hpp"
#include "plan/placed_memory.hpp"

#include <cstddef>
#include <deque>
#include <optional>
#include <string>

namespace convmixer::fused {

/// The data gradient of a dense convolution.
struct DenseBackward {
  std::size_t pixels;  ///< that it takes at a time; 0: there is none
  bool added;          ///< whether a vector is added to all pixels' gradients
};

/// As a matrix (outputs x inputs), packed anew at each step in the layout and type that products read.
class DenseWeights {
 public:
  /// `inputs` of an output: of a pixel, or of a patch. `padded_inputs`: with zeros, if the operand has padding
  /// channels.
  DenseWeights(const StageContext& context, const ConvolutionStage& stage, std::size_t inputs,
               std::size_t padded_inputs, const DenseBackward& backward);
  DenseWeights(const DenseWeights&) = delete;  // placed memory is set through pointers to its members
  DenseWeights& operator=(const DenseWeights&) = delete;

  void add_memory(PlacedMemory& memory);
  /// Once the memory is placed: `workers` in their order, and the tasks that read the parameters.
  template <class Worker>
  void prepare(std::deque<Worker>& workers, RefreshTasks& refresh) {
    for (Worker& worker : workers) {
      forward_workers_.emplace_back(context_.runtime, forward_, worker.scratchpad);
      if (backward_) backward_workers_.emplace_back(context_.runtime, *backward_, worker.scratchpad);
    }
    add_refresh(refresh);
  }

  [[nodiscard]] std::size_t scratchpad_bytes() const;
  [[nodiscard]] std::string implementation() const { return forward_.implementation(); }
  /// How the operands' rows lie.
  [[nodiscard]] kernels::RowLayout src_layout() const { return forward_.operand(); }
  [[nodiscard]] kernels::RowLayout diff_dst_layout() const { return backward_->operand(); }
  [[nodiscard]] std::size_t src_elements() const { return forward_.operand_elements(); }

  /// The tiles of an image's W src + bias, and its slices.
  [[nodiscard]] std::size_t tiles() const { return forward_.tiles(context_.geometry.pixels); }
  [[nodiscard]] std::size_t slices() const { return forward_.slices(); }
  [[nodiscard]] TileRange tiles_of_slice(std::size_t slice) const {
    const std::size_t count = forward_.tiles_of_slice(context_.geometry.pixels);
    return {slice * count, (slice + 1) * count};
  }

  /// W src + bias of an image, all of it or some tiles: calls use(ProductTile) for them.
  template <class Worker, typename Operand, typename Use>
  void forward(const Operand* src, Worker& worker, const Use& use) {
    forward(src, {0, tiles()}, worker, use);
  }
  template <class Worker, typename Operand, typename Use>
  void forward(const Operand* src, const TileRange& range, Worker& worker, const Use& use) {
    forward_workers_[worker.number].run(src, context_.geometry.pixels, range, packed_forward_, bias_, worker.tile, use);
  }
  /// W' diff_dst of some pixels, likewise; plus `added`, by padded input, null unless DenseBackward says that there is
  /// one.
  template <class Worker, typename Operand, typename Use>
  void backward(const Operand* diff_dst, std::size_t pixels, const float* added, Worker& worker, const Use& use) {
    backward_workers_[worker.number].run(diff_dst, pixels, packed_backward_, added, worker.tile, use);
  }

 private:
  void add_refresh(RefreshTasks& refresh);
  void copy_with_padding() const;
  void copy_bias() const;

  const StageContext& context_;
  const Convolution& convolution_;
  std::size_t inputs_;
  std::size_t padded_inputs_;
  TiledProduct forward_;
  std::optional<TiledProduct> backward_;
  std::deque<TiledProduct::Worker> forward_workers_;   // by worker
  std::deque<TiledProduct::Worker> backward_workers_;  // likewise
  std::byte* packed_forward_ = nullptr;
  std::byte* packed_backward_ = nullptr;
  float* bias_ = nullptr;
  float* padded_ = nullptr;  // weights with padding channels, where there are any
};

}  // namespace convmixer::fused

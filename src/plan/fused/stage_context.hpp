/// What all stages of a fused plan share.
/// Sizes (chunk): see "Words" in HACKING.md.
#pragma once

#include "convmixer/core/thread_pool.hpp"
#include "convmixer/dist/communicator.hpp"
#include "convmixer/graph/parameters.hpp"
#include "core/batch_chunks.hpp"
#include "kernels/fused/stage_storage.hpp"
#include "kernels/onednn/onednn.hpp"
#include "plan/engine_runtime.hpp"
#include "plan/execution_options.hpp"
#include "plan/fused/product_choice.hpp"
#include "plan/fused/stage_geometry.hpp"
#include "plan/placed_memory.hpp"

#include <type_traits>

namespace convmixer::fused {

/// What a precision's products multiply.
template <class Storage>
inline constexpr kernels::ElementType kElementType =
    std::is_same_v<Storage, kernels::F32Storage> ? kernels::ElementType::f32 : kernels::ElementType::bf16;

struct StageContext {
  StageContext(const StageChain& chain, Parameters& values, Engine& engine, const ExecutionOptions& options,
               kernels::ElementType element_type)
      : parameters(values),
        pool(engine.pool()),
        runtime(runtime_of(engine)),
        ranks(options.norms_span_ranks() ? &engine.ranks() : nullptr),
        geometry(chain, static_cast<std::size_t>(options.batch_size)),
        chunks(ranks == nullptr
                   ? BatchChunks(geometry.batch)
                   : BatchChunks(static_cast<std::size_t>(options.images_of_all_ranks), ranks->rank(), ranks->size())),
        type(element_type),
        products(choose_products(runtime, type, options.products)),
        training(options.mode == PlanMode::training) {}

  Parameters& parameters;
  ThreadPool& pool;
  kernels::Runtime& runtime;
  /// That share the batch, in training with norms over all of them; null: none, or each has a batch of its own.
  Communicator* ranks;
  StageGeometry geometry;
  BatchChunks chunks;  ///< of this rank's images
  kernels::ElementType type;
  ProductKernels products;  ///< hand_written or onednn
  bool training;            ///< stages keep what backward needs

  /// Of an array that is cut evenly among the chunks.
  [[nodiscard]] ArrayUser by_chunk() const { return ArrayUser::tasks(chunks.count()); }
  /// Of an operand's `padded` values at a pixel, those that its products read: hand-written ones leave out what only
  /// pads, oneDNN's read rows as they lie.
  [[nodiscard]] std::size_t read_by_products(std::size_t values, std::size_t padded) const {
    return products == ProductKernels::hand_written ? values : padded;
  }
  /// Per channel, that a norm's statistics are of.
  [[nodiscard]] std::size_t norm_values() const { return chunks.images_of_all_ranks() * geometry.pixels; }
};

}  // namespace convmixer::fused

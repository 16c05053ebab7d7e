#include "plan/fused/fused_training.hpp"

#include "kernels/fused/depthwise_stage.hpp"
#include "kernels/fused/norm_stage.hpp"
#include "plan/fused/chunk_gradients.hpp"
#include "plan/fused/fused_batch.hpp"
#include "plan/fused/fused_head.hpp"
#include "plan/fused/fused_norm.hpp"
#include "plan/fused/fused_weights.hpp"
#include "plan/fused/gradient_product.hpp"
#include "plan/fused/product_choice.hpp"

#include <algorithm>
#include <deque>
#include <type_traits>
#include <utility>

namespace convmixer {

namespace {

using kernels::kChannelBlock;

template <typename Storage>
class FusedTraining : public Execution {
  using Operand = typename Storage::Operand;
  using Value = typename Storage::Value;
  using GeluDerivative = typename Storage::GeluDerivative;
  using StemStorage =
      std::conditional_t<std::is_same_v<Storage, kernels::Bf16Storage>, kernels::Bf16StemStorage, Storage>;
  using StemGeluDerivative = typename StemStorage::GeluDerivative;
  static constexpr auto kType =
      std::is_same_v<Storage, kernels::F32Storage> ? kernels::ElementType::f32 : kernels::ElementType::bf16;

 public:
  FusedTraining(const StageChain& stage_chain, Parameters& parameters, Engine& engine, const PlanOptions& plan_options,
                const Execution* lender)
      : Execution(plan_options),
        chain_(stage_chain),
        parameters_(parameters),
        pool_(engine.pool()),
        runtime_(engine.runtime()),
        batch_(static_cast<std::size_t>(plan_options.batch_size)),
        pixels_(chain_.height * chain_.width),
        channels_(chain_.stem.out_channels),
        padded_(kernels::padded_channels(channels_)),
        blocks_(padded_ / kChannelBlock),
        chunks_(batch_),
        products_(choose_products(runtime_, kType, plan_options.products)),
        slab_(slab_rows()),
        weights_(chain_, parameters, runtime_, kType, products_, slab_, true),
        head_(chain_, parameters, pool_, batch_, true),
        gradients_(parameters, chunks_.count(), channels_),
        workers_(static_cast<std::size_t>(pool_.threads())),
        weight_gradient_(runtime_, {padded_, padded_, slab_, kType}, products_),
        stem_gradient_(runtime_, {padded_, weights_.patches().columns(), pixels_, kType}, products_) {
    for (std::size_t chunk = 0; chunk < chunks_.count(); ++chunk) {
      chunk_values_.push_back(chunks_.size(chunk) * pixels_);
    }
    add_tensors();
    add_reports();
    place(lender);
  }

  std::span<const float> forward(std::span<const float> images, bool update_statistics) override {
    images_ = images.data();
    forget_borders();
    begin_steps(0);
    next_step([&] { weights_.refresh(pool_); });
    next_step([&] {
      for_each_chunk([this](std::size_t chunk, Worker& worker) { stem_forward(chunk, worker); });
      norms_[0].finish_forward(moments_, chunk_values_, update_statistics);
    });
    for (std::size_t block = 0; block < chain_.blocks.size(); ++block) {
      next_step([&] {
        for_each_chunk([&](std::size_t chunk, Worker& worker) { depthwise_forward(block, chunk, worker); });
        norms_[1 + 2 * block].finish_forward(moments_, chunk_values_, update_statistics);
        add_residual_shift(block);
      });
      next_step([&] {
        for_each_chunk([&](std::size_t chunk, Worker& worker) { pointwise_forward(block, chunk, worker); });
        norms_[2 + 2 * block].finish_forward(moments_, chunk_values_, update_statistics);
      });
    }
    next_step([&] { head_.forward(norms_.back()); });
    return output;
  }

  void backward(std::span<const float> output_gradient) override {
    forget_borders();
    begin_steps(first_backward_);
    next_step([&] { head_.backward(output_gradient.data(), norms_.back()); });
    for (std::size_t block = chain_.blocks.size(); block-- > 0;) {
      next_step([&] { pointwise_backward_all(block); });
      next_step([&] { depthwise_backward_all(block); });
    }
    next_step([&] {
      for_each_chunk([this](std::size_t chunk, Worker& worker) { stem_backward(chunk, worker); });
      add_up_last_gradients();
    });
  }

 private:
  /// A tensor behind a GELU.
  struct Activation {
    Value* value = nullptr;
    GeluDerivative* gelu_derivative = nullptr;  ///< of all but the stem's
  };

  /// What one thread works with.
  struct Worker {
    // Operands of products: pixels x channels, as TiledProduct and GradientProduct want them.
    Operand* src = nullptr;
    Operand* diff_dst = nullptr;
    Operand* patches = nullptr;
    float* src_words = nullptr;       // bf16 with own products: words of two pixels
    float* diff_dst_words = nullptr;  // likewise
    float* patch_words = nullptr;     // likewise
    float* tile = nullptr;
    float* depthwise_memory = nullptr;
    float* shifted = nullptr;  // a vector of channels
    double* sums = nullptr;    // likewise
    std::byte* scratchpad = nullptr;
    std::optional<kernels::DepthwiseScratch> depthwise;
    std::optional<TiledProduct::Worker> stem;
    std::deque<TiledProduct::Worker> forward;   // by block
    std::deque<TiledProduct::Worker> backward;  // by block
    std::optional<GradientProduct::Worker> weight_gradient;
    std::optional<GradientProduct::Worker> stem_gradient;
  };

  // ---- planning ----

  [[nodiscard]] std::size_t worker_scratchpad_bytes() const {
    return std::max(
        {weights_.scratchpad_bytes(), weight_gradient_.scratchpad_bytes(), stem_gradient_.scratchpad_bytes()});
  }

  void add_tensors() {
    const std::size_t tensor = batch_ * pixels_ * padded_;
    activations_.resize(1 + 2 * chain_.blocks.size());
    norms_.emplace_back(chain_.stem, parameters_, pool_);
    for (const MixerBlock& block : chain_.blocks) {
      norms_.emplace_back(block.depthwise, parameters_, pool_);
      norms_.emplace_back(block.pointwise, parameters_, pool_);
    }
    const ArrayUser by_chunk = ArrayUser::tasks(chunks_.count());
    memory_.add(stem_gelu_derivative_, tensor, by_chunk);
    for (std::size_t i = 0; i < activations_.size(); ++i) {
      memory_.add(activations_[i].value, tensor, by_chunk);
      if (i > 0) memory_.add(activations_[i].gelu_derivative, tensor, by_chunk);
    }
    for (FusedNorm& norm : norms_) norm.add_memory(memory_);
    residual_shifts_.resize(chain_.blocks.size());
    for (float*& shift : residual_shifts_) memory_.add(shift, padded_);
    weights_.add_memory(memory_);
    head_.add_memory(memory_);

    const std::size_t vectors = chunks_.count() * padded_;
    memory_.add(moments_.origin, vectors, by_chunk);
    memory_.add(moments_.sum, vectors, by_chunk);
    memory_.add(moments_.square, vectors, by_chunk);
    std::size_t kernel = 1;
    for (std::size_t block = 0; block < chain_.blocks.size(); ++block) {
      kernel = std::max(kernel, weights_.geometry(block).kernel);
    }
    gradients_.add_memory(memory_, std::max(weight_gradient_.sums_floats(), stem_gradient_.sums_floats()), kernel);
    for (std::size_t i = 0; i < workers_.size(); ++i) add_worker_memory(workers_[i], ArrayUser::worker(i));
  }

  void add_worker_memory(Worker& worker, ArrayUser user) {
    memory_.add(worker.src, pixels_ * padded_, user);
    memory_.add(worker.diff_dst, pixels_ * padded_, user);
    memory_.add(worker.patches, weights_.stem().forward->operand_elements(), user);
    if (pairs_pixels()) {
      memory_.add(worker.src_words, weight_gradient_.words() * padded_, user);
      memory_.add(worker.diff_dst_words, stem_gradient_.words() * padded_, user);
      memory_.add(worker.patch_words, stem_gradient_.words() * kernels::padded_channels(weights_.patches().columns()),
                  user);
    }
    memory_.add(worker.tile, TiledProduct::tile_floats(), user);
    memory_.add(worker.depthwise_memory, weights_.depthwise_scratch_floats(), user);
    memory_.add(worker.shifted, padded_, user);
    memory_.add(worker.sums, padded_, user);
    memory_.add(worker.scratchpad, worker_scratchpad_bytes(), user);
  }

  /// Pixels of an image that a pointwise stage takes at a time in backward, so that its operands, the weights and their
  /// gradient, and what streams by stay in the second-level cache together. Even: pairs of pixels are whole. (More and
  /// smaller ones read and write the weight gradient's sums more often.)
  [[nodiscard]] std::size_t slab_rows() const {
    constexpr std::size_t kOperandBytes = 128 * 1024;
    if (products_ != ProductKernels::hand_written) return pixels_;
    const std::size_t most = std::max<std::size_t>(kChannelBlock, kOperandBytes / (padded_ * sizeof(Operand)));
    const std::size_t slabs = (pixels_ + most - 1) / most;
    return std::min(pixels_, ((pixels_ + slabs - 1) / slabs + 1) / 2 * 2);
  }

  /// Words of pixels aren't simply their rows.
  [[nodiscard]] bool pairs_pixels() const { return Storage::kValuesPerWord == 2 && weight_gradient_.reads_words(); }

  void place(const Execution* lender) {
    memory.arena = static_cast<std::int64_t>(memory_.bytes());
    memory.unshared = memory.arena;
    take_memory(lender);
    memory_.place(arena->data());
    if (owns_memory) memory_.touch(arena->data(), pool_);
    static_assert(sizeof(Operand) == sizeof(Value));
    gradient_ = reinterpret_cast<Operand*>(activations_.back().value);
    weights_.prepare();
    for (Worker& worker : workers_) {
      worker.stem.emplace(runtime_, *weights_.stem().forward, worker.scratchpad);
      for (std::size_t block = 0; block < chain_.blocks.size(); ++block) {
        worker.forward.emplace_back(runtime_, *weights_.pointwise(block).forward, worker.scratchpad);
        worker.backward.emplace_back(runtime_, *weights_.pointwise(block).backward, worker.scratchpad);
      }
      worker.weight_gradient.emplace(runtime_, weight_gradient_, worker.scratchpad);
      worker.stem_gradient.emplace(runtime_, stem_gradient_, worker.scratchpad);
    }
    output = {head_.logits(), batch_ * chain_.classes};
  }

  void add_reports() {
    const auto add = [this](const std::string& node, const char* operation, const char* direction,
                            const std::string& implementation) {
      add_report({node, operation, direction, implementation, "nChw32c"});
    };
    const std::string own = "own";
    add("weights", "reorder", "forward", own);
    add(chain_.stem.name, "stem stage", "forward", weights_.stem().forward->implementation());
    for (std::size_t block = 0; block < chain_.blocks.size(); ++block) {
      add(chain_.blocks[block].depthwise.name, "depthwise stage", "forward", own);
      add(chain_.blocks[block].pointwise.name, "pointwise stage", "forward",
          weights_.pointwise(block).forward->implementation());
    }
    add(chain_.head_name, "head", "forward", own);
    first_backward_ = reports.size();
    add(chain_.head_name, "head", "backward", own);
    for (std::size_t block = chain_.blocks.size(); block-- > 0;) {
      add(chain_.blocks[block].pointwise.name, "pointwise stage", "backward", weight_gradient_.implementation());
      add(chain_.blocks[block].depthwise.name, "depthwise stage", "backward", own);
    }
    add(chain_.stem.name, "stem stage", "backward", stem_gradient_.implementation());
  }

  // ---- running ----

  /// Another plan may have used the memory since.
  void forget_borders() {
    for (Worker& worker : workers_)
      worker.depthwise.emplace(std::span(worker.depthwise_memory, weights_.depthwise_scratch_floats()));
  }

  template <typename Body>
  void for_each_chunk(const Body& body) {
    pool_.for_each_task(
        static_cast<std::int64_t>(chunks_.count()),
        [&](std::int64_t chunk, int worker) {
          const TraceScope scope(trace_names[current_step], chunk);
          const kernels::OneThread one_thread(runtime_);
          body(static_cast<std::size_t>(chunk), workers_[static_cast<std::size_t>(worker)]);
        },
        turn());
  }

  /// Each stage begins where the one before it has ended: what that has written last is still in the cache.
  TaskOrder turn() {
    order_ = order_ == TaskOrder::forwards ? TaskOrder::backwards : TaskOrder::forwards;
    return order_;
  }

  /// Offset of a block of an image.
  [[nodiscard]] std::size_t at(std::size_t image, std::size_t block) const {
    return (image * blocks_ + block) * pixels_ * kChannelBlock;
  }

  [[nodiscard]] kernels::MomentSums chunk_moments(std::size_t chunk, std::size_t channel, bool begins) const {
    const std::size_t offset = chunk * padded_ + channel;
    return {moments_.origin + offset, moments_.sum + offset, moments_.square + offset, begins};
  }

  void clear_moments(std::size_t chunk) {
    std::fill_n(moments_.sum + chunk * padded_, padded_, 0.0);
    std::fill_n(moments_.square + chunk * padded_, padded_, 0.0);
  }

  /// GELU of a tile of a product, into an image of an activation.
  template <class TileStorage>
  void gelu_of_tile(const ProductTile& tile, Value* value, typename TileStorage::GeluDerivative* gelu_derivative,
                    std::size_t image, std::size_t chunk) {
    for (std::size_t column = 0; column < tile.columns; column += kChannelBlock) {
      const std::size_t channel = tile.first_column + column;
      const std::size_t offset = at(image, channel / kChannelBlock) + tile.first_row * kChannelBlock;
      kernels::gelu_forward(kernels::GeluForward<TileStorage>{
          .src = tile.values + column,
          .stride = tile.stride,
          .rows = tile.rows,
          .groups = 2,
          .value = value + offset,
          .gelu_derivative = gelu_derivative + offset,
          .moments = chunk_moments(chunk, channel, image == chunks_.begin(chunk) && tile.first_row == 0)});
    }
  }

  // ---- forward ----

  [[nodiscard]] const float* image_at(std::size_t image) const {
    return images_ + image * weights_.patches().image_size();
  }

  void stem_forward(std::size_t chunk, Worker& worker) {
    clear_moments(chunk);
    for (std::size_t image = chunks_.begin(chunk); image < chunks_.end(chunk); ++image) {
      kernels::extract_patches(weights_.patches(), image_at(image), weights_.stem().forward->operand(), worker.patches);
      worker.stem->run(worker.patches, pixels_, weights_.stem().packed, weights_.stem().bias, worker.tile,
                       [&](const ProductTile& tile) {
                         gelu_of_tile<StemStorage>(tile, activations_[0].value, stem_gelu_derivative_, image, chunk);
                       });
    }
  }

  void depthwise_forward(std::size_t block, std::size_t chunk, Worker& worker) {
    clear_moments(chunk);
    const FusedNorm& norm = norms_[2 * block];
    const Activation& src = activations_[2 * block];
    const Activation& dst = activations_[2 * block + 1];
    const FusedWeights::Depthwise& weights = weights_.depthwise(block);
    const kernels::DepthwiseGeometry geometry = weights_.geometry(block);
    const std::size_t filters = kernels::packed_depthwise_size<Storage>(geometry.kernel);
    for (std::size_t image = chunks_.begin(chunk); image < chunks_.end(chunk); ++image) {
      for (std::size_t b = 0; b < blocks_; ++b) {
        const std::size_t channel = b * kChannelBlock;
        const std::size_t offset = at(image, b);
        kernels::depthwise_forward(
            kernels::DepthwiseForward<Storage>{.geometry = geometry,
                                               .src = src.value + offset,
                                               .scale = norm.scale() + channel,
                                               .shift = norm.shift() + channel,
                                               .filters = weights.filters + b * filters,
                                               .bias = weights.bias + channel,
                                               .value = dst.value + offset,
                                               .gelu_derivative = dst.gelu_derivative + offset,
                                               .moments = chunk_moments(chunk, channel, image == chunks_.begin(chunk))},
            *worker.depthwise);
      }
    }
  }

  void add_residual_shift(std::size_t block) {
    for (std::size_t c = 0; c < padded_; ++c) {
      residual_shifts_[block][c] = norms_[2 * block].shift()[c] + norms_[2 * block + 1].shift()[c];
    }
  }

  /// Some pixels of an image.
  struct Slab {
    std::size_t image;
    std::size_t first;
    std::size_t rows;
  };
  /// Calls body(Slab) for each slab of an image.
  template <typename Body>
  void for_each_slab(std::size_t image, const Body& body) const {
    for (std::size_t first = 0; first < pixels_; first += slab_) {
      body(Slab{image, first, std::min(slab_, pixels_ - first)});
    }
  }
  [[nodiscard]] std::size_t at(const Slab& slab, std::size_t block) const {
    return at(slab.image, block) + slab.first * kChannelBlock;
  }

  /// y = norm(h) + norm(g), the pointwise convolution's input: in rows into worker.src, or with `words`, the number of
  /// a block, in words into worker.src_words.
  void pointwise_input(std::size_t block, const Slab& slab, const kernels::RowLayout& layout, std::size_t words,
                       Worker& worker) {
    const FusedNorm& branch = norms_[2 * block + 1];
    const FusedNorm& residual = norms_[2 * block];
    for (std::size_t b = 0; b < blocks_; ++b) {
      const std::size_t channel = b * kChannelBlock;
      kernels::norm_forward(
          kernels::NormForward<Storage>{.value0 = activations_[2 * block + 1].value + at(slab, b),
                                        .scale0 = branch.scale() + channel,
                                        .value1 = activations_[2 * block].value + at(slab, b),
                                        .scale1 = residual.scale() + channel,
                                        .shift = residual_shifts_[block] + channel,
                                        .rows = slab.rows,
                                        .dst = worker.src + b * layout.block,
                                        .stride = layout.row,
                                        .words = words > 0 ? worker.src_words + b * words * kChannelBlock : nullptr});
    }
  }

  void pointwise_forward(std::size_t block, std::size_t chunk, Worker& worker) {
    clear_moments(chunk);
    const bool last = block + 1 == chain_.blocks.size();
    const FusedWeights::Dense& weights = weights_.pointwise(block);
    for (std::size_t image = chunks_.begin(chunk); image < chunks_.end(chunk); ++image) {
      if (last) std::copy_n(moments_.sum + chunk * padded_, padded_, worker.sums);
      pointwise_input(block, {image, 0, pixels_}, weights.forward->operand(), 0, worker);
      worker.forward[block].run(worker.src, pixels_, weights.packed, weights.bias, worker.tile,
                                [&](const ProductTile& tile) {
                                  const Activation& dst = activations_[2 * block + 2];
                                  gelu_of_tile<Storage>(tile, dst.value, dst.gelu_derivative, image, chunk);
                                });
      if (last) set_image_mean(image, chunk, worker.sums);
    }
  }

  /// An image's mean from the chunk's sums before and after it.
  void set_image_mean(std::size_t image, std::size_t chunk, const double* before) {
    const double* const after = moments_.sum + chunk * padded_;
    const float* const origin = moments_.origin + chunk * padded_;
    double* const mean = head_.image_means() + image * padded_;
    for (std::size_t c = 0; c < padded_; ++c) {
      mean[c] = static_cast<double>(origin[c]) + (after[c] - before[c]) / static_cast<double>(pixels_);
    }
  }

  // ---- backward ----

  void pointwise_backward_all(std::size_t block) {
    const auto chunks = static_cast<std::int64_t>(chunks_.count());
    // The depthwise gradients of the block behind are added up meanwhile.
    const auto reductions = static_cast<std::int64_t>(block + 1 < chain_.blocks.size() ? blocks_ : 0);
    pool_.for_each_task(
        chunks,
        [&](std::int64_t task, int worker) {
          const TraceScope scope(trace_names[current_step], task);
          const kernels::OneThread one_thread(runtime_);
          if (task < chunks) {
            pointwise_backward(block, static_cast<std::size_t>(task), workers_[static_cast<std::size_t>(worker)]);
          } else {
            gradients_.add_up_depthwise(chain_.blocks[block + 1].depthwise,
                                        static_cast<std::size_t>(task - chunks) * kChannelBlock);
          }
        },
        turn(), reductions);
    norms_[2 * block + 1].finish_backward(moments_.sum, moments_.square, chunks_.count(), batch_ * pixels_);
  }

  void pointwise_backward(std::size_t block, std::size_t chunk, Worker& worker) {
    clear_moments(chunk);
    std::fill_n(gradients_.bias(chunk), padded_, 0.0);
    const FusedNorm& norm = norms_[2 * block + 2];
    const Activation& activation = activations_[2 * block + 2];
    const bool last = block + 1 == chain_.blocks.size();
    for (std::size_t image = chunks_.begin(chunk); image < chunks_.end(chunk); ++image) {
      const float* const c = last ? shifted_by_head(norm, image, worker) : norm.c();
      // The weight gradient reads its operands as the data gradient does, or in words.
      const kernels::RowLayout operand = weights_.pointwise(block).backward->operand();
      for_each_slab(image, [&](const Slab& slab) {
        pointwise_input(block, slab, operand, pairs_pixels() ? weight_gradient_.words() : 0, worker);
        before_gelu<Storage>(activation.value, activation.gelu_derivative, norm, c, last ? nullptr : gradient_, slab,
                             {operand, weight_gradient_.words()}, gradients_.bias(chunk), worker);
        add_weight_gradient(slab, image == chunks_.begin(chunk) && slab.first == 0,
                            gradients_.dense(weight_gradient_, chunk), worker);
        worker.backward[block].run(worker.diff_dst, slab.rows, weights_.pointwise(block).packed_backward, nullptr,
                                   worker.tile,
                                   [&](const ProductTile& tile) { gradient_of_tile(tile, block, slab, chunk); });
      });
    }
  }

  void add_weight_gradient(const Slab& slab, bool begins, float* sums, Worker& worker) {
    if (pairs_pixels()) {
      worker.weight_gradient->run(worker.diff_dst_words, worker.src_words, slab.rows, sums, begins);
    } else {
      worker.weight_gradient->run(worker.diff_dst, worker.src, slab.rows, sums, begins);
    }
  }

  /// Stores a tile of the gradient of a pointwise convolution's input, with the sums for the norm before it.
  void gradient_of_tile(const ProductTile& tile, std::size_t block, const Slab& slab, std::size_t chunk) {
    for (std::size_t column = 0; column < tile.columns; column += kChannelBlock) {
      const std::size_t channel = tile.first_column + column;
      const std::size_t offset = at(slab, channel / kChannelBlock) + tile.first_row * kChannelBlock;
      kernels::gradient_sums(kernels::GradientSums<Storage>{.src = tile.values + column,
                                                            .stride = tile.stride,
                                                            .rows = tile.rows,
                                                            .groups = 2,
                                                            .residual = nullptr,
                                                            .value = activations_[2 * block + 1].value + offset,
                                                            .mean = norms_[2 * block + 1].mean() + channel,
                                                            .dst = gradient_ + offset,
                                                            .first = moments_.sum + chunk * padded_ + channel,
                                                            .second = moments_.square + chunk * padded_ + channel});
    }
  }

  /// The last norm's coefficient c with the head's gradient, the same at all pixels.
  const float* shifted_by_head(const FusedNorm& norm, std::size_t image, Worker& worker) {
    const float* const gradients = head_.pixel_gradients() + image * padded_;
    for (std::size_t c = 0; c < padded_; ++c) worker.shifted[c] = norm.c()[c] + norm.a()[c] * gradients[c];
    return worker.shifted;
  }

  /// How a product's operands lie.
  struct OperandLayout {
    kernels::RowLayout rows;
    std::size_t words;  ///< of a block
  };
  /// The gradient before a stage's GELU, in worker.diff_dst and its words. `gradient` null: that of the head, in `c`.
  template <class StageStorage>
  void before_gelu(const Value* value, const typename StageStorage::GeluDerivative* gelu_derivative,
                   const FusedNorm& norm, const float* c, const Operand* gradient, const Slab& slab,
                   const OperandLayout& layout, double* bias_sums, Worker& worker) {
    for (std::size_t b = 0; b < blocks_; ++b) {
      const std::size_t channel = b * kChannelBlock;
      const std::size_t offset = at(slab, b);
      kernels::norm_backward(kernels::NormBackward<StageStorage>{
          .diff_dst = gradient == nullptr ? nullptr : gradient + offset,
          .value = value + offset,
          .gelu_derivative = gelu_derivative + offset,
          .a = norm.a() + channel,
          .b = norm.b() + channel,
          .c = c + channel,
          .rows = slab.rows,
          .dst = worker.diff_dst + b * layout.rows.block,
          .stride = layout.rows.row,
          .words = pairs_pixels() ? worker.diff_dst_words + b * layout.words * kChannelBlock : nullptr,
          .sum = bias_sums + channel});
    }
  }

  void depthwise_backward_all(std::size_t block) {
    const auto chunks = static_cast<std::int64_t>(chunks_.count());
    // The pointwise weight gradients are added up meanwhile.
    const auto reductions = static_cast<std::int64_t>(blocks_);
    pool_.for_each_task(
        chunks,
        [&](std::int64_t task, int worker) {
          const TraceScope scope(trace_names[current_step], task);
          if (task < chunks) {
            depthwise_backward(block, static_cast<std::size_t>(task), workers_[static_cast<std::size_t>(worker)]);
          } else {
            gradients_.add_up_dense(chain_.blocks[block].pointwise, weight_gradient_, channels_,
                                    static_cast<std::size_t>(task - chunks) * kChannelBlock);
          }
        },
        turn(), reductions);
    norms_[2 * block].finish_backward(moments_.sum, moments_.square, chunks_.count(), batch_ * pixels_);
  }

  void depthwise_backward(std::size_t block, std::size_t chunk, Worker& worker) {
    clear_moments(chunk);
    const FusedNorm& norm = norms_[2 * block + 1];
    const FusedNorm& src_norm = norms_[2 * block];
    const Activation& activation = activations_[2 * block + 1];
    const FusedWeights::Depthwise& weights = weights_.depthwise(block);
    const kernels::DepthwiseGeometry geometry = weights_.geometry(block);
    const std::size_t filters = kernels::packed_depthwise_size<Storage>(geometry.kernel);
    const std::size_t sums_size = kernels::depthwise_sums_size(geometry.kernel);
    double* const sums = gradients_.depthwise(geometry.kernel, chunk);
    std::fill_n(sums, blocks_ * sums_size, 0.0);
    for (std::size_t image = chunks_.begin(chunk); image < chunks_.end(chunk); ++image) {
      for (std::size_t b = 0; b < blocks_; ++b) {
        const std::size_t channel = b * kChannelBlock;
        const std::size_t offset = at(image, b);
        kernels::depthwise_backward(
            kernels::DepthwiseBackward<Storage>{.geometry = geometry,
                                                .gradient = gradient_ + offset,
                                                .value = activation.value + offset,
                                                .gelu_derivative = activation.gelu_derivative + offset,
                                                .a = norm.a() + channel,
                                                .b = norm.b() + channel,
                                                .c = norm.c() + channel,
                                                .filters = weights.flipped + b * filters,
                                                .src = activations_[2 * block].value + offset,
                                                .src_scale = src_norm.scale() + channel,
                                                .src_shift = src_norm.shift() + channel,
                                                .src_mean = src_norm.mean() + channel,
                                                .sums = sums + b * sums_size,
                                                .first = moments_.sum + chunk * padded_ + channel,
                                                .second = moments_.square + chunk * padded_ + channel},
            *worker.depthwise);
      }
    }
  }

  void stem_backward(std::size_t chunk, Worker& worker) {
    std::fill_n(gradients_.bias(chunk), padded_, 0.0);
    float* const sums = gradients_.dense(stem_gradient_, chunk);
    for (std::size_t image = chunks_.begin(chunk); image < chunks_.end(chunk); ++image) {
      const kernels::RowLayout own_rows{kChannelBlock, pixels_ * kChannelBlock};
      before_gelu<StemStorage>(activations_[0].value, stem_gelu_derivative_, norms_[0], norms_[0].c(), gradient_,
                               Slab{image, 0, pixels_},
                               {stem_gradient_.reads_words() ? own_rows : kernels::RowLayout{padded_, kChannelBlock},
                                stem_gradient_.words()},
                               gradients_.bias(chunk), worker);
      const kernels::RowLayout layout = weights_.stem().forward->operand();
      kernels::extract_patches(weights_.patches(), image_at(image), layout, worker.patches);
      const bool begins = image == chunks_.begin(chunk);
      if constexpr (Storage::kValuesPerWord == 2) {
        if (pairs_pixels()) {
          for (std::size_t column = 0; column < weights_.patches().columns(); column += kChannelBlock) {
            kernels::pair_rows(worker.patches + column / kChannelBlock * layout.block, pixels_,
                               worker.patch_words + column * stem_gradient_.words());
          }
          worker.stem_gradient->run(worker.diff_dst_words, worker.patch_words, pixels_, sums, begins);
          continue;
        }
      }
      worker.stem_gradient->run(worker.diff_dst, worker.patches, pixels_, sums, begins);
    }
  }

  /// Those of the stem and the first depthwise convolution.
  void add_up_last_gradients() {
    pool_.for_each_task(static_cast<std::int64_t>(2 * blocks_), [this](std::int64_t task, int /*worker*/) {
      const std::size_t channel = static_cast<std::size_t>(task) / 2 * kChannelBlock;
      if (task % 2 == 0) {
        gradients_.add_up_depthwise(chain_.blocks.front().depthwise, channel);
      } else {
        gradients_.add_up_dense(chain_.stem, stem_gradient_, weights_.patches().columns(), channel);
      }
    });
  }

  StageChain chain_;
  Parameters& parameters_;
  ThreadPool& pool_;
  kernels::Runtime& runtime_;
  std::size_t batch_;
  std::size_t pixels_;
  std::size_t channels_;
  std::size_t padded_;
  std::size_t blocks_;
  BatchChunks chunks_;
  std::vector<std::size_t> chunk_values_;
  ProductKernels products_;
  std::size_t slab_;  // see slab_rows()
  FusedWeights weights_;
  FusedHead head_;
  ChunkGradients gradients_;
  std::vector<Worker> workers_;
  GradientProduct weight_gradient_;
  GradientProduct stem_gradient_;

  PlacedMemory memory_;
  std::deque<FusedNorm> norms_;          // the stem's, then two for each block
  std::vector<Activation> activations_;  // what those norms normalise
  StemGeluDerivative* stem_gelu_derivative_ = nullptr;
  // The gradient of what the stages hand on, one after the other. It takes the place of the last stage's values, image
  // by image as these are read for the last time.
  Operand* gradient_ = nullptr;
  std::vector<float*> residual_shifts_;  // by block
  ChunkMoments moments_;                 // in backward: sums of the gradient, and of it times the centred values

  const float* images_ = nullptr;
  TaskOrder order_ = TaskOrder::forwards;
  std::size_t first_backward_ = 0;
};

}  // namespace

std::unique_ptr<Execution> make_fused_training(const StageChain& chain, Parameters& parameters, Engine& engine,
                                               const PlanOptions& options, const Execution* lender) {
  if (options.precision == Precision::bf16) {
    return std::make_unique<FusedTraining<kernels::Bf16Storage>>(chain, parameters, engine, options, lender);
  }
  return std::make_unique<FusedTraining<kernels::F32Storage>>(chain, parameters, engine, options, lender);
}

}  // namespace convmixer

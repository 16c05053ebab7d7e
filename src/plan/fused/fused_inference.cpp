#include "kernels/fused/depthwise_stage.hpp"
#include "kernels/fused/norm_stage.hpp"
#include "plan/fused/fused_head.hpp"
#include "plan/fused/fused_norm.hpp"
#include "plan/fused/fused_training.hpp"
#include "plan/fused/fused_weights.hpp"
#include "plan/fused/product_choice.hpp"

#include <algorithm>
#include <deque>
#include <optional>
#include <type_traits>
#include <utility>

namespace convmixer {

namespace {

using kernels::kChannelBlock;

template <typename Storage>
class FusedInference : public Execution {
  using Operand = typename Storage::Operand;
  using Value = typename Storage::Value;
  using GeluDerivative = typename Storage::GeluDerivative;
  static constexpr auto kType =
      std::is_same_v<Storage, kernels::F32Storage> ? kernels::ElementType::f32 : kernels::ElementType::bf16;

 public:
  FusedInference(const StageChain& stage_chain, Parameters& parameters, Engine& engine, const PlanOptions& plan_options,
                 const Execution* lender)
      : Execution(plan_options),
        chain_(stage_chain),
        pool_(engine.pool()),
        runtime_(engine.runtime()),
        batch_(static_cast<std::size_t>(plan_options.batch_size)),
        pixels_(chain_.height * chain_.width),
        padded_(kernels::padded_channels(chain_.stem.out_channels)),
        blocks_(padded_ / kChannelBlock),
        weights_(chain_, parameters, runtime_, kType, choose_products(runtime_, kType, plan_options.products), pixels_,
                 false),
        head_(chain_, parameters, pool_, batch_, false),
        workers_(static_cast<std::size_t>(pool_.threads())) {
    norms_.emplace_back(chain_.stem, parameters, pool_);
    for (const MixerBlock& block : chain_.blocks) {
      norms_.emplace_back(block.depthwise, parameters, pool_);
      norms_.emplace_back(block.pointwise, parameters, pool_);
    }
    for (FusedNorm& norm : norms_) norm.add_memory(memory_);
    residual_shifts_.resize(chain_.blocks.size());
    for (float*& shift : residual_shifts_) memory_.add(shift, padded_);
    weights_.add_memory(memory_);
    head_.add_memory(memory_);
    for (std::size_t i = 0; i < workers_.size(); ++i) add_worker_memory(workers_[i], ArrayUser::worker(i));
    place(lender);
    add_report({"weights", "reorder", "forward", "own", "nChw32c"});
    add_report({chain_.stem.name + " to " + chain_.pool_name, "all stages", "forward",
                weights_.pointwise(0).forward->implementation(), "nChw32c"});
    add_report({chain_.head_name, "head", "forward", "own", "plain"});
  }

  std::span<const float> forward(std::span<const float> images, bool /*update_statistics*/) override {
    images_ = images.data();
    for (Worker& worker : workers_) {
      // Another plan may have used the memory since.
      worker.depthwise.emplace(std::span(worker.depthwise_memory, weights_.depthwise_scratch_floats()));
    }
    begin_steps(0);
    next_step([this] {
      weights_.refresh(pool_);
      for (FusedNorm& norm : norms_) norm.use_running_statistics();
      for (std::size_t block = 0; block < chain_.blocks.size(); ++block) {
        for (std::size_t c = 0; c < padded_; ++c) {
          residual_shifts_[block][c] = norms_[2 * block].shift()[c] + norms_[2 * block + 1].shift()[c];
        }
      }
    });
    next_step([this] {
      pool_.for_each_task(static_cast<std::int64_t>(batch_), [this](std::int64_t image, int worker) {
        const TraceScope scope(trace_names[current_step], image);
        const kernels::OneThread one_thread(runtime_);
        run_image(static_cast<std::size_t>(image), workers_[static_cast<std::size_t>(worker)]);
      });
    });
    next_step([this] { head_.forward(norms_.back()); });
    return output;
  }

  void backward(std::span<const float> /*output_gradient*/) override {}

 private:
  /// What one thread works with: an image's tensors.
  struct Worker {
    Value* trunk = nullptr;  // behind the stem's or a pointwise convolution's GELU
    GeluDerivative* gelu_derivative = nullptr;
    Operand* src = nullptr;
    Operand* patches = nullptr;
    float* tile = nullptr;
    float* depthwise_memory = nullptr;
    float* origin = nullptr;
    double* sum = nullptr;
    double* square = nullptr;
    std::byte* scratchpad = nullptr;
    std::optional<kernels::DepthwiseScratch> depthwise;
    std::optional<TiledProduct::Worker> stem;
    std::deque<TiledProduct::Worker> pointwise;  // by block
  };

  void add_worker_memory(Worker& worker, ArrayUser user) {
    const std::size_t image = pixels_ * padded_;
    memory_.add(worker.trunk, image, user);
    memory_.add(worker.gelu_derivative, image, user);
    memory_.add(worker.src, image, user);
    memory_.add(worker.patches, weights_.stem().forward->operand_elements(), user);
    memory_.add(worker.tile, TiledProduct::tile_floats(), user);
    memory_.add(worker.depthwise_memory, weights_.depthwise_scratch_floats(), user);
    memory_.add(worker.origin, padded_, user);
    memory_.add(worker.sum, padded_, user);
    memory_.add(worker.square, padded_, user);
    memory_.add(worker.scratchpad, weights_.scratchpad_bytes(), user);
  }

  void place(const Execution* lender) {
    memory.arena = static_cast<std::int64_t>(memory_.bytes());
    memory.unshared = memory.arena;
    take_memory(lender);
    memory_.place(arena->data());
    if (owns_memory) memory_.touch(arena->data(), pool_);
    weights_.prepare();
    for (Worker& worker : workers_) {
      worker.stem.emplace(runtime_, *weights_.stem().forward, worker.scratchpad);
      for (std::size_t block = 0; block < chain_.blocks.size(); ++block) {
        worker.pointwise.emplace_back(runtime_, *weights_.pointwise(block).forward, worker.scratchpad);
      }
    }
    output = {head_.logits(), batch_ * chain_.classes};
  }

  /// Offset of a block of the image.
  [[nodiscard]] std::size_t at(std::size_t block) const { return block * pixels_ * kChannelBlock; }

  void gelu_of_tile(const ProductTile& tile, bool with_sums, Worker& worker) {
    for (std::size_t column = 0; column < tile.columns; column += kChannelBlock) {
      const std::size_t channel = tile.first_column + column;
      const std::size_t offset = at(channel / kChannelBlock) + tile.first_row * kChannelBlock;
      kernels::gelu_forward(kernels::GeluForward<Storage>{
          .src = tile.values + column,
          .stride = tile.stride,
          .rows = tile.rows,
          .groups = 2,
          .value = worker.trunk + offset,
          .gelu_derivative = with_sums ? worker.gelu_derivative + offset : nullptr,  // sums come with derivatives
          .moments = {worker.origin + channel, worker.sum + channel, worker.square + channel, tile.first_row == 0}});
    }
  }

  void run_image(std::size_t image, Worker& worker) {
    const kernels::PatchGeometry& patches = weights_.patches();
    kernels::extract_patches(patches, images_ + image * patches.image_size(), weights_.stem().forward->operand(),
                             worker.patches);
    worker.stem->run(worker.patches, pixels_, weights_.stem().packed, weights_.stem().bias, worker.tile,
                     [&](const ProductTile& tile) { gelu_of_tile(tile, false, worker); });
    for (std::size_t block = 0; block < chain_.blocks.size(); ++block) {
      const bool last = block + 1 == chain_.blocks.size();
      for (std::size_t b = 0; b < blocks_; ++b) run_depthwise(block, b, worker);
      if (last) std::fill_n(worker.sum, padded_, 0.0);
      const FusedWeights::Dense& weights = weights_.pointwise(block);
      worker.pointwise[block].run(worker.src, pixels_, weights.packed, weights.bias, worker.tile,
                                  [&](const ProductTile& tile) { gelu_of_tile(tile, last, worker); });
    }
    double* const mean = head_.image_means() + image * padded_;
    for (std::size_t c = 0; c < padded_; ++c) {
      mean[c] = static_cast<double>(worker.origin[c]) + worker.sum[c] / static_cast<double>(pixels_);
    }
  }

  /// One block of channels through the depthwise convolution to the pointwise one's input.
  void run_depthwise(std::size_t block, std::size_t b, Worker& worker) {
    const FusedNorm& trunk = norms_[2 * block];
    const FusedNorm& branch = norms_[2 * block + 1];
    const FusedWeights::Depthwise& weights = weights_.depthwise(block);
    const kernels::DepthwiseGeometry geometry = weights_.geometry(block);
    const std::size_t channel = b * kChannelBlock;
    const kernels::RowLayout operand = weights_.pointwise(block).forward->operand();
    kernels::depthwise_inference(
        kernels::DepthwiseInference<Storage>{
            .geometry = geometry,
            .src = worker.trunk + at(b),
            .scale = trunk.scale() + channel,
            .shift = trunk.shift() + channel,
            .filters = weights.filters + b * kernels::packed_depthwise_size<Storage>(geometry.kernel),
            .bias = weights.bias + channel,
            .branch_scale = branch.scale() + channel,
            .out_shift = residual_shifts_[block] + channel,
            .dst = worker.src + b * operand.block,
            .stride = operand.row},
        *worker.depthwise);
  }

  StageChain chain_;
  ThreadPool& pool_;
  kernels::Runtime& runtime_;
  std::size_t batch_;
  std::size_t pixels_;
  std::size_t padded_;
  std::size_t blocks_;
  FusedWeights weights_;
  FusedHead head_;
  std::vector<Worker> workers_;
  PlacedMemory memory_;
  std::deque<FusedNorm> norms_;          // the stem's, then two for each block
  std::vector<float*> residual_shifts_;  // by block
  const float* images_ = nullptr;
};

}  // namespace

std::unique_ptr<Execution> make_fused_inference(const StageChain& chain, Parameters& parameters, Engine& engine,
                                                const PlanOptions& options, const Execution* lender) {
  if (options.precision == Precision::bf16) {
    return std::make_unique<FusedInference<kernels::Bf16Storage>>(chain, parameters, engine, options, lender);
  }
  return std::make_unique<FusedInference<kernels::F32Storage>>(chain, parameters, engine, options, lender);
}

}  // namespace convmixer

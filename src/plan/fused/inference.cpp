#include "plan/fused/inference.hpp"

#include "plan/fused/divided_images.hpp"
#include "plan/fused/inference_image.hpp"
#include "plan/fused/stage_context.hpp"
#include "plan/fused/stage_sequence.hpp"
#include "plan/fused/worker.hpp"

#include <algorithm>
#include <deque>

namespace convmixer::fused {

namespace {

template <class Storage>
class Inference : public Execution {
 public:
  Inference(const StageChain& chain, Parameters& parameters, Engine& engine, const ExecutionOptions& plan_options,
            const Execution* lender)
      : Execution(plan_options),
        chain_(chain),
        context_(chain_, parameters, engine, plan_options, kElementType<Storage>),
        stages_(context_, chain_),
        workers_(static_cast<std::size_t>(context_.pool.threads())),
        images_(workers_.size()),
        divided_(divided_images(context_.geometry.batch, workers_.size())) {
    stages_.add_memory(memory_, context_);
    WorkerSizes sizes = stages_.worker_sizes();
    const bool keeps_sum = std::ranges::any_of(chain_.blocks, &MixerBlock::pointwise_residual);
    for (std::size_t i = 0; i < images_.size(); ++i) {
      images_[i].add_memory(memory_, sizes, context_.geometry, keeps_sum, ArrayUser::worker(i));
    }
    sizes.src = sizes.patches = 0;
    for (std::size_t i = 0; i < workers_.size(); ++i) workers_[i].add_memory(memory_, sizes, i);
    place(lender);
    add_report({"weights", "reorder", "forward", "hand-written", "nChw32c"});
    add_report({chain_.stem.name + " to " + chain_.pool_name, "all stages", "forward",
                stages_.blocks.front().pointwise.implementation(), "nChw32c"});
    add_report({chain_.head_name, "head", "forward", "hand-written", "plain"});
  }

  std::span<const float> forward(std::span<const float> images, bool /*update_statistics*/) override {
    for (Worker<Storage>& worker : workers_) worker.begin_pass();
    begin_steps(0);
    next_step([&] {
      stages_.refresh.run(context_.pool, context_.runtime);
      for (MixerBlockStages<Storage>& block : stages_.blocks) {
        for (std::size_t i = 0; i < context_.geometry.channel_blocks; ++i) block.state.set_residual_shift(i);
      }
    });
    next_step([&] {
      run_whole_images(images.data());
      run_divided_images(images.data());
    });
    next_step([&] { stages_.head.forward(stages_.output().norm); });
    return output;
  }

  void backward(std::span<const float> /*output_gradient*/) override {}

 private:
  using Image = InferenceImage<Storage>;

  void place(const Execution* lender) {
    memory.arena = static_cast<std::int64_t>(memory_.bytes());
    memory.unshared = memory.arena;
    take_memory(lender);
    memory_.place(arena());
    if (owns_memory) memory_.touch(arena(), context_.pool);
    stages_.prepare(workers_);
    refresh_norm(stages_.stem_output.norm);
    for (MixerBlockStages<Storage>& block : stages_.blocks) {
      refresh_norm(block.state.depthwise.norm);
      refresh_norm(block.state.pointwise.norm);
    }
    output = {stages_.head.logits(), context_.geometry.batch * chain_.classes};
  }

  void refresh_norm(Norm& norm) {
    stages_.refresh.packing.emplace_back([&norm] { norm.use_running_statistics(); });
  }

  /// Lets `image` begin as the batch's image of this number.
  void begin(Image& image, const float* images, std::size_t number) const {
    const Shape& size = chain_.image;
    image.number = number;
    image.pixels = images + number * static_cast<std::size_t>(size.count());
  }

  /// Calls run(parts, body) for one stage after the other, where body(image, part, worker) does one of its parts.
  template <typename Run>
  void for_each_stage(const Run& run) {
    run(stages_.stem.patch_parts(), [&](const Image& image, std::size_t part, Worker<Storage>& /*worker*/) {
      stages_.stem.infer_patches(part, image);
    });
    run(stages_.stem.parts(), [&](const Image& image, std::size_t part, Worker<Storage>& worker) {
      stages_.stem.infer(part, image, worker);
    });
    for (MixerBlockStages<Storage>& block : stages_.blocks) {
      run(block.depthwise.parts(), [&](const Image& image, std::size_t part, Worker<Storage>& worker) {
        block.depthwise.infer(part, image, block.pointwise.src_layout(), worker);
      });
      run(block.pointwise.parts(), [&](const Image& image, std::size_t part, Worker<Storage>& worker) {
        block.pointwise.infer(part, image, worker);
      });
    }
  }

  /// An image at a time for each worker, who meet no other before the end.
  void run_whole_images(const float* images) {
    const auto count = static_cast<std::int64_t>(context_.geometry.batch - divided_);
    context_.pool.for_each_task(count, [&](std::int64_t number, int worker) {
      const TraceScope scope(step_name(), number);
      const kernels::OneThread one_thread(context_.runtime);
      Image& image = images_[static_cast<std::size_t>(worker)];
      begin(image, images, static_cast<std::size_t>(number));
      for_each_stage([&](std::size_t parts, const auto& body) {
        for (std::size_t part = 0; part < parts; ++part) body(image, part, workers_[static_cast<std::size_t>(worker)]);
      });
      finish(image);
    });
  }

  /// The last ones: all workers share each stage of them, and meet at its end.
  void run_divided_images(const float* images) {
    const std::size_t first = context_.geometry.batch - divided_;
    for (std::size_t i = 0; i < divided_; ++i) begin(images_[i], images, first + i);
    if (divided_ == 0) return;
    for_each_stage([&](std::size_t parts, const auto& body) {
      const auto count = static_cast<std::int64_t>(divided_ * parts);
      context_.pool.for_each_task(count, [&](std::int64_t task, int worker) {
        const auto number = static_cast<std::size_t>(task);
        const Image& image = images_[number / parts];
        const TraceScope scope(step_name(), static_cast<std::int64_t>(image.number));
        const kernels::OneThread one_thread(context_.runtime);
        body(image, number % parts, workers_[static_cast<std::size_t>(worker)]);
      });
    });
    for (std::size_t i = 0; i < divided_; ++i) finish(images_[i]);
  }

  void finish(const Image& image) {
    stages_.head.set_image_mean(image.number, image.moments.origin, image.moments.sum);
    if (!chain_.blocks.back().pointwise_residual) return;
    const StageGeometry& geometry = context_.geometry;
    double* const mean = stages_.head.residual_mean(image.number);
    for (std::size_t channel_block = 0; channel_block < geometry.channel_blocks; ++channel_block)
      kernels::value_sums(image.sum + geometry.offset(0, channel_block), geometry.pixels,
                          mean + channel_block * kernels::kChannelBlock);
    for (std::size_t c = 0; c < geometry.padded_channels; ++c) mean[c] /= static_cast<double>(geometry.pixels);
  }

  StageChain chain_;
  StageContext context_;
  StageSequence<Storage> stages_;
  std::deque<Worker<Storage>> workers_;
  std::deque<Image> images_;  // by worker; of those that are divided, in their order
  std::size_t divided_;       // of the batch's images, the last ones
  PlacedMemory memory_;
};

}  // namespace

std::unique_ptr<Execution> make_inference(const StageChain& chain, Parameters& parameters, Engine& engine,
                                          const ExecutionOptions& options, const Execution* lender) {
  if (options.precision == Precision::bf16) {
    return std::make_unique<Inference<kernels::Bf16Storage>>(chain, parameters, engine, options, lender);
  }
  return std::make_unique<Inference<kernels::F32Storage>>(chain, parameters, engine, options, lender);
}

}  // namespace convmixer::fused

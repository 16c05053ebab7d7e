#include "plan/fused/inference.hpp"

#include "plan/fused/stage_context.hpp"
#include "plan/fused/stage_sequence.hpp"
#include "plan/fused/worker.hpp"

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
        images_of_workers_(workers_.size()) {
    stages_.add_memory(memory_, context_);
    const WorkerSizes sizes = stages_.worker_sizes();
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      workers_[i].add_memory(memory_, sizes, i);
      images_of_workers_[i].add_memory(memory_, context_.geometry, ArrayUser::worker(i));
    }
    place(lender);
    add_report({"weights", "reorder", "forward", "own", "nChw32c"});
    add_report({chain_.stem.name + " to " + chain_.pool_name, "all stages", "forward",
                stages_.blocks.front().pointwise.implementation(), "nChw32c"});
    add_report({chain_.head_name, "head", "forward", "own", "plain"});
  }

  std::span<const float> forward(std::span<const float> images, bool /*update_statistics*/) override {
    for (Worker<Storage>& worker : workers_) worker.begin_pass();
    begin_steps(0);
    next_step([&] {
      stages_.refresh.run(context_.pool, context_.runtime);
      use_running_statistics();
    });
    next_step([&] {
      const std::size_t image_size = images.size() / context_.geometry.batch;
      const auto batch = static_cast<std::int64_t>(context_.geometry.batch);
      context_.pool.for_each_task(batch, [&](std::int64_t image, int worker) {
        const TraceScope scope(step_name(), image);
        const kernels::OneThread one_thread(context_.runtime);
        const auto number = static_cast<std::size_t>(image);
        run_image(number, images.data() + number * image_size, static_cast<std::size_t>(worker));
      });
    });
    next_step([&] { stages_.head.forward(stages_.output().norm); });
    return output;
  }

  void backward(std::span<const float> /*output_gradient*/) override {}

 private:
  /// A worker's image on its way: the values after the stem's or a pointwise convolution's GELU, and after the last
  /// one its derivative and moments.
  struct Image {
    typename Storage::Value* value = nullptr;
    typename Storage::GeluDerivative* gelu_derivative = nullptr;
    float* origin = nullptr;
    double* sum = nullptr;
    double* square = nullptr;

    void add_memory(PlacedMemory& memory, const StageGeometry& geometry, ArrayUser user) {
      memory.add(value, geometry.image_size(), user);
      memory.add(gelu_derivative, geometry.image_size(), user);
      memory.add(origin, geometry.padded_channels, user);
      memory.add(sum, geometry.padded_channels, user);
      memory.add(square, geometry.padded_channels, user);
    }
  };

  void place(const Execution* lender) {
    memory.arena = static_cast<std::int64_t>(memory_.bytes());
    memory.unshared = memory.arena;
    take_memory(lender);
    memory_.place(arena());
    if (owns_memory) memory_.touch(arena(), context_.pool);
    stages_.prepare(workers_);
    output = {stages_.head.logits(), context_.geometry.batch * chain_.classes};
  }

  void use_running_statistics() {
    stages_.stem_output.norm.use_running_statistics();
    for (MixerBlockStages<Storage>& block : stages_.blocks) {
      block.state.depthwise.norm.use_running_statistics();
      block.state.pointwise.norm.use_running_statistics();
      for (std::size_t i = 0; i < context_.geometry.channel_blocks; ++i) block.state.set_residual_shift(i);
    }
  }

  void run_image(std::size_t number, const float* pixels, std::size_t worker_number) {
    Worker<Storage>& worker = workers_[worker_number];
    const Image& image = images_of_workers_[worker_number];
    stages_.stem.infer(pixels, image.value, worker);
    for (MixerBlockStages<Storage>& block : stages_.blocks) {
      block.depthwise.infer(image.value, block.pointwise.src_layout(), worker);
      block.pointwise.infer(number, image.value, image.gelu_derivative, {image.origin, image.sum, image.square, true},
                            worker);
    }
  }

  StageChain chain_;
  StageContext context_;
  StageSequence<Storage> stages_;
  std::deque<Worker<Storage>> workers_;
  std::deque<Image> images_of_workers_;
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

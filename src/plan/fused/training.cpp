#include "plan/fused/training.hpp"

#include "plan/fused/chunk_sums.hpp"
#include "plan/fused/stage_context.hpp"
#include "plan/fused/stage_sequence.hpp"
#include "plan/fused/worker.hpp"

#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace convmixer::fused {

namespace {

/// The order of the stages' steps, the loops over a batch's chunks, and the memory.
template <class Storage>
class Training : public Execution {
  using Operand = typename Storage::Operand;

 public:
  Training(const StageChain& chain, Parameters& parameters, Engine& engine, const ExecutionOptions& plan_options,
           const Execution* lender)
      : Execution(plan_options),
        chain_(chain),
        context_(chain_, parameters, engine, plan_options, kElementType<Storage>),
        stages_(context_, chain_),
        sums_(context_),
        workers_(static_cast<std::size_t>(context_.pool.threads())) {
    add_memory();
    place(lender);
    add_reports();
  }

  std::span<const float> forward(std::span<const float> images, bool update_statistics) override {
    images_ = images.data();
    begin_pass(0);
    next_step([&] { stages_.refresh.run(context_.pool, context_.runtime); });
    next_step([&] {
      for_each_chunk([&](const Chunk& chunk, auto& worker) { stages_.stem.forward(images_, chunk, worker); });
      reduce_forward(stages_.stem, update_statistics);
    });
    for (MixerBlockStages<Storage>& block : stages_.blocks) {
      next_step([&] {
        for_each_chunk([&](const Chunk& chunk, auto& worker) { block.depthwise.forward(chunk, worker); });
        reduce_forward(block.depthwise, update_statistics);
      });
      next_step([&] {
        for_each_chunk([&](const Chunk& chunk, auto& worker) { block.pointwise.forward(chunk, worker); });
        reduce_forward(block.pointwise, update_statistics);
      });
    }
    next_step([&] { stages_.head.forward(stages_.output().norm); });
    return output;
  }

  void backward(std::span<const float> output_gradient) override {
    begin_pass(first_backward_);
    if (backward_is_through()) return;
    next_step([&] { stages_.head.backward(output_gradient.data(), stages_.output().norm); });
    for (std::size_t i = stages_.blocks.size(); i-- > 0;) {
      MixerBlockStages<Storage>& block = stages_.blocks[i];
      if (backward_is_through()) return;
      next_step([&] {
        for_each_chunk([&](const Chunk& chunk, auto& worker) { block.pointwise.backward(gradient_, chunk, worker); });
        reduce_backward(block.pointwise, sums_.dense_stride());
      });
      if (backward_is_through()) return;
      next_step([&] {
        for_each_chunk([&](const Chunk& chunk, auto& worker) { block.depthwise.backward(gradient_, chunk, worker); });
        reduce_backward(block.depthwise, sums_.depthwise_stride());
      });
    }
    if (backward_is_through()) return;
    next_step([&] {
      for_each_chunk(
          [&](const Chunk& chunk, auto& worker) { stages_.stem.backward(images_, gradient_, chunk, worker); });
      reduce_backward(stages_.stem, stages_.stem.dense_sums());
    });
  }

 private:
  /// What norms need at once has gone with their statistics (ChunkSums).
  void add_sums(GradientExchange& exchange, Parameters& parameters) const override {
    if (context_.ranks == nullptr) return Execution::add_sums(exchange, parameters);
    std::size_t step = first_backward_;
    const auto add = [&](const auto& stage) {
      if (step < end_backward_) stage.add_sums(exchange, step);
      ++step;
    };
    add(stages_.head);
    for (std::size_t i = stages_.blocks.size(); i-- > 0;) {
      add(stages_.blocks[i].pointwise);
      add(stages_.blocks[i].depthwise);
    }
    add(stages_.stem);
  }

  void add_memory() {
    stages_.add_memory(memory_, context_);
    std::size_t dense = stages_.stem.dense_sums();
    std::size_t depthwise = 0;
    for (const MixerBlockStages<Storage>& block : stages_.blocks) {
      dense = std::max(dense, block.pointwise.dense_sums());
      depthwise = std::max(depthwise, block.depthwise.depthwise_sums());
    }
    sums_.add_memory(memory_, dense, depthwise);
    const WorkerSizes sizes = stages_.worker_sizes();
    for (std::size_t i = 0; i < workers_.size(); ++i) workers_[i].add_memory(memory_, sizes, i);
  }

  void place(const Execution* lender) {
    memory.arena = static_cast<std::int64_t>(memory_.bytes());
    memory.unshared = memory.arena;
    take_memory(lender);
    memory_.place(arena());
    if (owns_memory) memory_.touch(arena(), context_.pool);
    static_assert(sizeof(Operand) == sizeof(typename Storage::Value));
    gradient_ = reinterpret_cast<Operand*>(stages_.output().value);
    stages_.prepare(workers_);
    output = {stages_.head.logits(), context_.geometry.batch * chain_.classes};
  }

  void add_reports() {
    const auto add = [this](const std::string& node, const char* operation, const char* direction,
                            const std::string& implementation, std::vector<ParameterId> gradients = {}) {
      add_report({node, operation, direction, implementation, "nChw32c"}, std::move(gradients));
    };
    const std::string hand_written = "hand-written";
    add("weights", "reorder", "forward", hand_written);
    add(chain_.stem.name, "stem stage", "forward", stages_.stem.implementation());
    for (std::size_t i = 0; i < chain_.blocks.size(); ++i) {
      add(chain_.blocks[i].depthwise.name, "depthwise stage", "forward", hand_written);
      add(chain_.blocks[i].pointwise.name, "pointwise stage", "forward", stages_.blocks[i].pointwise.implementation());
    }
    add(chain_.head_name, "head", "forward", hand_written);
    first_backward_ = reports.size();
    add(chain_.head_name, "head", "backward", hand_written, stages_.head.gradients(stages_.output().norm));
    for (std::size_t i = chain_.blocks.size(); i-- > 0;) {
      const MixerBlockStages<Storage>& block = stages_.blocks[i];
      add(chain_.blocks[i].pointwise.name, "pointwise stage", "backward", block.pointwise.backward_implementation(),
          block.pointwise.gradients());
      add(chain_.blocks[i].depthwise.name, "depthwise stage", "backward", hand_written, block.depthwise.gradients());
    }
    add(chain_.stem.name, "stem stage", "backward", stages_.stem.backward_implementation(), stages_.stem.gradients());
    leave_out_frozen_steps();
    end_backward_ = reports.size();
  }

  /// Backward's last steps, if all that they would compute is gradients of frozen parameters.
  void leave_out_frozen_steps() {
    const auto is_trained = [this](ParameterId id) {
      return !context_.parameters.graph().parameters()[static_cast<std::size_t>(id)].frozen;
    };
    while (reports.size() > first_backward_ && std::ranges::none_of(final_gradients.back(), is_trained)) {
      reports.pop_back();
      final_gradients.pop_back();
    }
  }

  /// Whether all steps that train anything have run.
  [[nodiscard]] bool backward_is_through() const { return next_index() == end_backward_; }

  void begin_pass(std::size_t first_step) {
    for (Worker<Storage>& worker : workers_) worker.begin_pass();
    begin_steps(first_step);
  }

  /// Calls body(Chunk, Worker) for the chunks. Each stage begins where the one before it has ended: what that has
  /// written last is still in the cache.
  template <typename Body>
  void for_each_chunk(const Body& body) {
    order_ = order_ == TaskOrder::forwards ? TaskOrder::backwards : TaskOrder::forwards;
    context_.pool.for_each_task(
        static_cast<std::int64_t>(sums_.count()),
        [&](std::int64_t chunk, int worker) {
          const TraceScope scope(step_name(), chunk);
          const kernels::OneThread one_thread(context_.runtime);
          body(sums_.chunk(static_cast<std::size_t>(chunk)), workers_[static_cast<std::size_t>(worker)]);
        },
        order_);
  }

  template <class Stage>
  void reduce_forward(Stage& stage, bool update_statistics) {
    sums_.exchange_moments();
    reduce(context_.geometry.channel_blocks, sums_.channel_stride(),
           [&](std::size_t channel_block) { stage.reduce_forward(channel_block, sums_, update_statistics); });
  }

  /// `sums` of each chunk.
  template <class Stage>
  void reduce_backward(Stage& stage, std::size_t sums) {
    sums_.exchange_gradient_sums();
    reduce(stage.reduce_tasks(), sums, [&](std::size_t task) { stage.reduce_backward(task, sums_); });
  }

  /// Calls body(task), on the workers if there are many sums to add up.
  template <typename Body>
  void reduce(std::size_t tasks, std::size_t sums_of_chunk, const Body& body) {
    // Fewer are added up by one (28 microseconds for as many) before the workers have met: measured on two.
    constexpr std::size_t kFewSums = 65536;
    if (context_.pool.threads() == 1 || sums_.count() * sums_of_chunk < kFewSums) {
      for (std::size_t task = 0; task < tasks; ++task) body(task);
      return;
    }
    context_.pool.for_each_task(static_cast<std::int64_t>(tasks), [&](std::int64_t task, int /*worker*/) {
      const TraceScope scope(step_name(), task);
      body(static_cast<std::size_t>(task));
    });
  }

  StageChain chain_;
  StageContext context_;
  StageSequence<Storage> stages_;
  ChunkSums sums_;
  std::deque<Worker<Storage>> workers_;
  PlacedMemory memory_;

  // The gradient of what the stages hand on, one after the other. It takes the place of the last stage's values, image
  // by image as these are read for the last time.
  Operand* gradient_ = nullptr;
  const float* images_ = nullptr;
  TaskOrder order_ = TaskOrder::forwards;
  std::size_t first_backward_ = 0;
  std::size_t end_backward_ = 0;
};

}  // namespace

std::unique_ptr<Execution> make_training(const StageChain& chain, Parameters& parameters, Engine& engine,
                                         const ExecutionOptions& options, const Execution* lender) {
  if (options.precision == Precision::bf16) {
    return std::make_unique<Training<kernels::Bf16Storage>>(chain, parameters, engine, options, lender);
  }
  return std::make_unique<Training<kernels::F32Storage>>(chain, parameters, engine, options, lender);
}

}  // namespace convmixer::fused

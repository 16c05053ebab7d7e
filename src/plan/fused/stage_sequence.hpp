/// A chain's stages with their memory, in the order in which an image goes through them.
#pragma once

#include "plan/fused/depthwise_stage.hpp"
#include "plan/fused/head_stage.hpp"
#include "plan/fused/mixer_block_state.hpp"
#include "plan/fused/pointwise_stage.hpp"
#include "plan/fused/refresh_tasks.hpp"
#include "plan/fused/stage_chain.hpp"
#include "plan/fused/stage_context.hpp"
#include "plan/fused/stem_stage.hpp"
#include "plan/fused/worker.hpp"

#include <cstddef>
#include <deque>

namespace convmixer::fused {

template <class Storage>
struct MixerBlockStages {
  /// `before`: see MixerBlockState; `head`: see PointwiseStage.
  MixerBlockStages(const StageContext& context, const StageChain& chain, const MixerBlock& block,
                   Activation<Storage>& input, MixerBlockState<Storage>* before, HeadStage* head)
      : state(context, block, input, before),
        depthwise(context, chain, block.depthwise, state),
        pointwise(context, block.pointwise, state, head) {}

  MixerBlockState<Storage> state;
  DepthwiseStage<Storage> depthwise;
  PointwiseStage<Storage> pointwise;
};

template <class Storage>
struct StageSequence {
  /// `context` and `chain` must outlive it.
  StageSequence(const StageContext& context, const StageChain& chain)
      : stem_output(context, chain.stem), stem(context, chain, stem_output), head(context, chain) {
    for (const MixerBlock& block : chain.blocks) {
      const bool last = &block == &chain.blocks.back();
      MixerBlockState<Storage>* const before = blocks.empty() ? nullptr : &blocks.back().state;
      blocks.emplace_back(context, chain, block, output(), before, last ? &head : nullptr);
    }
  }
  StageSequence(const StageSequence&) = delete;  // placed memory is set through pointers to its members
  StageSequence& operator=(const StageSequence&) = delete;

  /// What the last stage so far hands on.
  [[nodiscard]] Activation<Storage>& output() { return blocks.empty() ? stem_output : blocks.back().state.pointwise; }

  void add_memory(PlacedMemory& memory, const StageContext& context) {
    stem_output.add_memory(memory, context);
    stem.add_memory(memory);
    for (MixerBlockStages<Storage>& block : blocks) {
      block.state.add_memory(memory, context);
      block.depthwise.add_memory(memory);
      block.pointwise.add_memory(memory);
    }
    head.add_memory(memory);
  }

  [[nodiscard]] WorkerSizes worker_sizes() const {
    WorkerSizes sizes = stem.worker_sizes();
    for (const MixerBlockStages<Storage>& block : blocks) {
      sizes.cover(block.depthwise.worker_sizes());
      sizes.cover(block.pointwise.worker_sizes());
    }
    return sizes;
  }

  /// Once the memory is placed.
  void prepare(std::deque<Worker<Storage>>& workers) {
    stem.prepare(workers, refresh);
    for (MixerBlockStages<Storage>& block : blocks) {
      block.depthwise.prepare(refresh);
      block.pointwise.prepare(workers, refresh);
    }
  }

  Activation<Storage> stem_output;
  StemStage<Storage> stem;
  HeadStage head;
  std::deque<MixerBlockStages<Storage>> blocks;
  RefreshTasks refresh;  ///< of all stages' weights
};

}  // namespace convmixer::fused

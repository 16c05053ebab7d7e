/// What can be chosen about how a graph runs.
#pragma once

#include "convmixer/core/precision.hpp"

#include <cstdint>
#include <string>

namespace convmixer {

/// What a plan is for.
enum class PlanMode {
  training,   ///< batch statistics; keeps what backward needs
  inference,  ///< running statistics; forward only
};

/// How a graph is run.
enum class PlanKind {
  automatic,  ///< fused where the graph allows it and no layout is asked for, else plain
  plain,      ///< a primitive per node and direction; takes any graph
  fused,   ///< in stages that keep an image in the cache, each by one thread: refused where the graph doesn't allow it
  onednn,  ///< plain, by oneDNN's primitives alone: no hand-written kernel, so slower and less exact
};

/// Which memory layout activations take in plain and onednn plans.
enum class LayoutPolicy {
  automatic,      ///< asked of oneDNN; reorders only where layouts must differ
  channels_last,  ///< nhwc wherever a primitive can
  blocked,        ///< nChw16c, below AVX-512 nChw8c, wherever a primitive can
};

/// Of which images a batch norm has its statistics in training, where several ranks share a batch.
enum class NormRanks {
  sync,   ///< of all ranks': what one process would have, to the last bit; fused plans alone
  local,  ///< of this rank's share: nothing is exchanged, but what comes out depends on the number of ranks
};

/// When ranks that share a batch add up their gradients: the results are the same to the last bit.
enum class ExchangeTime {
  measured,  ///< one of those that follow: the faster one in a plan's first backward passes
  during,    ///< of the backward pass: each as soon as it is final (Communicator::start_sum)
  after,     ///< the backward pass, all of them: computing and communicating take turns on the CPUs
};

/// Training steps after which ExchangeTime::measured has decided.
inline constexpr int kExchangeTrialSteps = 8;

/// How one plan runs its graph.
struct PlanOptions {
  std::int64_t batch_size = 1;  ///< images in each batch: at least 1
  /// Training where the engine has several ranks: images of all ranks, of which `batch_size` are this one's share
  /// (data/loader_options.hpp: `ranks`). 0: this rank trains alone.
  std::int64_t images_of_all_ranks = 0;
  NormRanks norm_ranks = NormRanks::sync;
  ExchangeTime exchange = ExchangeTime::measured;
  Precision precision = Precision::f32;           ///< what convolutions and products multiply
  PlanMode mode = PlanMode::training;             ///< whether there is a backward
  LayoutPolicy layout = LayoutPolicy::automatic;  ///< fused plans take automatic alone
  PlanKind kind = PlanKind::automatic;            ///< fused, plain or onednn
  bool input_gradient = false;                    ///< also compute the gradient of the images (all but fused plans)

  /// Whether batch norms have their statistics of the images of all ranks.
  [[nodiscard]] bool norms_span_ranks() const noexcept {
    return mode == PlanMode::training && images_of_all_ranks > 0 && norm_ranks == NormRanks::sync;
  }
};

/// "automatic", "plain", "fused" or "onednn".
[[nodiscard]] std::string to_string(PlanKind kind);

/// Throws Error (usage) if the two exclude each other: fused plans have a layout of their own.
void check_kind_and_layout(PlanKind kind, LayoutPolicy layout);

/// Throws Error (usage) for a batch size below 1, and for what check_kind_and_layout refuses.
void check(const PlanOptions& options);

}  // namespace convmixer

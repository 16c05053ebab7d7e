/// How good a network is on a data set.
#pragma once

#include "convmixer/data/loader.hpp"
#include "convmixer/model/batch_result.hpp"
#include "convmixer/model/classification_scores.hpp"
#include "convmixer/model/network.hpp"
#include "convmixer/model/selective_inference.hpp"

#include <cstdint>
#include <functional>
#include <span>

namespace convmixer {

struct EvaluationOptions {
  TestTimeViews views{};
  /// Given each batch's logits, (N, K) as AugmentedInference::infer gives them, and labels, in the loader's order.
  std::function<void(std::span<const float> logits, std::span<const std::int32_t> labels)> each_batch{};
  /// Asked after each batch, with the number of images done, whether to go on. Those that wait for further views aren't
  /// done.
  std::function<bool(std::int64_t images_done)> go_on{};
};

struct Evaluation {
  BatchResult total;
  ClassificationScores scores;    ///< of the network's classes
  bool complete = true;           ///< false: `go_on` ended it early
  std::int64_t looked_again = 0;  ///< images of which further views were taken
};

/// Throws Error (usage) unless the images have the shape that the network takes, and their labels are classes of the
/// network.
void check_fits(const Network& network, const Loader& loader);
void check_fits(const Network& network, const Dataset& dataset);

/// Loss (without label smoothing), top-1, top-5 and what was taken for what over the loader's images, in its order,
/// with the running statistics. Of several ranks, each with a loader of its own share of the batches, all get the
/// total; scores and batches are those of the share. Throws Error (usage) as check_fits does, for a loader whose rank
/// isn't the network's, and on several ranks for further views and for a loader that cuts its batches into
/// micro-batches.
[[nodiscard]] Evaluation evaluate(Network& network, Loader& loader, const EvaluationOptions& options = {});

}  // namespace convmixer

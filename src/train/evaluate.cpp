#include "convmixer/train/evaluate.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/shape.hpp"
#include "convmixer/core/trace.hpp"
#include "core/batch_chunks.hpp"
#include "model/share_score.hpp"

#include <algorithm>
#include <deque>
#include <vector>

namespace convmixer {

namespace {

void check_images(const Network& network, const Shape& found, std::int64_t classes) {
  const Shape& expected = network.graph().tensors().front();
  if (found != expected)
    fail_usage("images of shape {}: the network expects {}", found.to_string(), expected.to_string());
  if (classes > network.classes())
    fail_usage("data of {}: the network tells {} apart", counted(classes, "class", "classes"), network.classes());
}

/// The loader's batches must be the shares that the network's ranks have of them.
void check_ranks(const Loader& loader, const Communicator& ranks) {
  const LoaderOptions& options = loader.options();
  if (options.rank != ranks.rank() || options.ranks != ranks.size())
    fail_usage("evaluation: the loader is that of rank {} of {}, expected the network's, rank {} of {}", options.rank,
               options.ranks, ranks.rank(), ranks.size());
  if (ranks.size() > 1 && options.micro_batch > 0 && options.micro_batch < options.batch_size)
    fail_usage("evaluation by {} ranks: the loader cuts its batches into micro-batches of at most {}, expected none",
               ranks.size(), counted(options.micro_batch, "image"));
}

struct ScoredBatch {
  std::vector<std::int32_t> labels;
  BatchChunks share;
};

}  // namespace

void check_fits(const Network& network, const Loader& loader) {
  const ImageShape& image = loader.image_shape();
  check_images(network, {image.channels, image.height, image.width}, loader.classes());
}

void check_fits(const Network& network, const Dataset& dataset) {
  check_images(network, {dataset.channels(), dataset.image_size(), dataset.image_size()}, dataset.classes());
}

Evaluation evaluate(Network& network, Loader& loader, const EvaluationOptions& options) {
  static const TraceName kEvaluation("evaluation");
  const TraceScope scope(kEvaluation);
  check_fits(network, loader);
  Evaluation result{
      .total = {}, .scores = ClassificationScores(network.classes()), .complete = true, .looked_again = 0};
  std::deque<ScoredBatch> batches;  // whose results are to come
  BatchResult of_share;             // of the last one
  Communicator& ranks = network.ranks();
  if (ranks.size() > 1 && options.views.augmentation != TestTimeAugmentation::none)
    fail_usage("evaluation with several views: expected one rank, found {}", ranks.size());
  check_ranks(loader, ranks);
  SelectiveInference inference(network, options.views, [&](const InferredBatch& batch) {
    const auto& [labels, share] = batches.front();
    of_share = score_share(batch.logits, network.classes(), {.labels = labels, .soft = {}}, share);
    if (ranks.size() == 1) result.total += of_share;
    result.scores.add(batch.logits, labels);
    result.looked_again += std::ranges::count(batch.looked_again, 1);
    if (options.each_batch) options.each_batch(batch.logits, labels);
    batches.pop_front();
  });
  loader.start(0);
  while (const Batch* batch = loader.next()) {
    of_share = {};
    if (batch->size > 0) {  // or this rank has no part in a short last batch
      batches.push_back({{batch->labels.begin(), batch->labels.end()},
                         BatchChunks(static_cast<std::size_t>(batch->size_of_all_ranks), ranks.rank(), ranks.size())});
      inference.add(batch->images);
    }
    if (ranks.size() > 1) result.total += sum_over_ranks(of_share, ranks);
    if (options.go_on && !options.go_on(result.total.images)) {
      result.complete = false;
      return result;
    }
  }
  inference.finish();
  return result;
}

}  // namespace convmixer

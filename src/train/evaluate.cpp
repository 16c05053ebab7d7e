#include "convmixer/train/evaluate.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/shape.hpp"
#include "convmixer/core/trace.hpp"

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
  std::deque<std::vector<std::int32_t>> labels;  // of the batches whose results are to come
  SelectiveInference inference(network, options.views, [&](const InferredBatch& batch) {
    result.total += score(batch.logits, network.classes(), {.labels = labels.front(), .soft = {}});
    result.scores.add(batch.logits, labels.front());
    result.looked_again += std::ranges::count(batch.looked_again, 1);
    if (options.each_batch) options.each_batch(batch.logits, labels.front());
    labels.pop_front();
  });
  loader.start(0);
  while (const Batch* batch = loader.next()) {
    if (batch->size == 0) continue;  // a rank without a part in the last batch
    labels.emplace_back(batch->labels.begin(), batch->labels.end());
    inference.add(batch->images);
    if (options.go_on && !options.go_on(result.total.images)) {
      result.complete = false;
      return result;
    }
  }
  inference.finish();
  return result;
}

}  // namespace convmixer

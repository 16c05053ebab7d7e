#include "convmixer/train/evaluate.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/shape.hpp"
#include "convmixer/core/trace.hpp"

namespace convmixer {

void check_fits(const Network& network, const Loader& loader) {
  const Shape& expected = network.graph().tensors().front();
  const ImageShape& image = loader.image_shape();
  if (const Shape found{image.channels, image.height, image.width}; found != expected)
    fail_usage("images of shape {}: the network expects {}", found.to_string(), expected.to_string());
  if (loader.classes() > network.classes())
    fail_usage("data of {}: the network tells {} apart", counted(loader.classes(), "class", "classes"),
               network.classes());
}

Evaluation evaluate(Network& network, Loader& loader, const EvaluationOptions& options) {
  static const TraceName kEvaluation("evaluation");
  const TraceScope scope(kEvaluation);
  check_fits(network, loader);
  Evaluation result{.total = {}, .scores = ClassificationScores(network.classes()), .complete = true};
  AugmentedInference inference(network, options.augmentation);
  loader.start(0);
  while (const Batch* batch = loader.next()) {
    if (batch->size == 0) continue;  // a rank without a part in the last batch
    const std::span<const float> logits = inference.infer(batch->images);
    result.total += score(logits, network.classes(), {.labels = batch->labels, .soft = {}});
    result.scores.add(logits, batch->labels);
    if (options.each_batch) options.each_batch(logits, batch->labels);
    if (options.go_on && !options.go_on(result.total.images)) {
      result.complete = false;
      break;
    }
  }
  return result;
}

}  // namespace convmixer

#include "convmixer/train/evaluate.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/core/shape.hpp"
#include "convmixer/core/trace.hpp"
#include "convmixer/model/loss.hpp"

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

Evaluation evaluate(Network& network, Loader& loader, const std::function<bool(std::int64_t)>& go_on) {
  static const TraceName kEvaluation("evaluation");
  const TraceScope scope(kEvaluation);
  check_fits(network, loader);
  const auto classes = static_cast<std::size_t>(network.classes());
  Evaluation result;
  result.class_images.assign(classes, 0);
  result.class_correct.assign(classes, 0);
  loader.start(0);
  while (const Batch* batch = loader.next()) {
    if (batch->size == 0) continue;  // a rank without a part in the last batch
    result.total += network.evaluate_batch(batch->images, {.labels = batch->labels, .soft = {}});
    const std::span<const float> logits = network.logits();
    for (std::size_t i = 0; i < batch->labels.size(); ++i) {
      const auto label = static_cast<std::size_t>(batch->labels[i]);
      ++result.class_images[label];
      result.class_correct[label] +=
          count_in_top(logits.subspan(i * classes, classes), network.classes(), batch->labels.subspan(i, 1), 1);
    }
    if (go_on && !go_on(result.total.images)) {
      result.complete = false;
      break;
    }
  }
  return result;
}

}  // namespace convmixer

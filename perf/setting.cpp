#include "setting.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/model/registry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <variant>

namespace convmixer::perf {

namespace {

/// The default model with some of its settings changed.
Setting standard(const std::map<std::string, int>& sizes, int image_size, int classes) {
  const ModelEntry& entry = models().front();
  ModelConfig model = entry.defaults;
  for (const ModelSetting& setting : entry.settings) {
    const auto size = sizes.find(setting.name);
    if (size != sizes.end()) std::get<SizeSetting>(setting.kind).value(model) = size->second;
  }
  model = with_task(model, {.image_size = image_size, .channels = 3, .classes = classes});
  return {.network = network_name(model), .model = model};
}

int channels_of(const Graph& graph, TensorId tensor) {
  return static_cast<int>(graph.tensors()[static_cast<std::size_t>(tensor)][0]);
}

}  // namespace

NetworkShapes shapes_of(const ModelConfig& model) {
  const ClassificationTask task = task_of(model);
  NetworkShapes shapes{.channels = task.channels, .image_size = task.image_size, .classes = task.classes};
  bool pointwise = false;
  const Graph graph = make_graph(model);
  for (const Node& node : graph.nodes()) {
    const auto* const convolution = std::get_if<Convolution>(&node.operation);
    if (convolution == nullptr) continue;
    if (shapes.patch_size == 0) {
      shapes.patch_size = convolution->kernel;
      shapes.dim = channels_of(graph, node.output);
    } else if (convolution->groups == shapes.dim && shapes.dim == channels_of(graph, node.output)) {
      shapes.kernel_size = convolution->kernel;
      ++shapes.depth;
    } else {
      pointwise = pointwise || convolution->kernel == 1;
    }
  }
  if (shapes.depth == 0 || !pointwise) {
    fail_usage("{}: expected a model with depthwise and pointwise convolutions", describe(model));
  }
  return shapes;
}

std::string network_name(const ModelConfig& model) {
  const NetworkShapes shapes = shapes_of(model);
  return fmt::format("{}x{}", shapes.dim, shapes.depth);
}

Shape Setting::images() const {
  const ClassificationTask task = task_of(model);
  return {batch, task.channels, task.image_size, task.image_size};
}

Shape Setting::activations() const {
  const NetworkShapes s = shapes();
  const std::int64_t size = s.image_size / s.patch_size;
  return {batch, s.dim, size, size};
}

kernels::ConvolutionProblem Setting::patch_embedding() const {
  const int patch = shapes().patch_size;
  return {images(), activations(), patch, patch, 1, 0, 0, true};
}

kernels::ConvolutionProblem Setting::depthwise() const {
  const NetworkShapes s = shapes();
  // As Graph::convolution_same pads: an even kernel has one more at the end.
  const int padding = s.kernel_size - 1;
  return {activations(), activations(), s.kernel_size, 1, s.dim, padding / 2, padding - padding / 2, true};
}

kernels::ConvolutionProblem Setting::pointwise() const { return {activations(), activations(), 1, 1, 1, 0, 0, true}; }

std::vector<Setting> standard_settings() {
  return {standard({{"dim", 256}, {"depth", 8}, {"kernel-size", 5}, {"patch-size", 2}}, 32, 10),
          standard({{"dim", 512}, {"depth", 12}, {"kernel-size", 9}, {"patch-size", 2}}, 32, 10),
          standard({{"dim", 768}, {"depth", 32}, {"kernel-size", 7}, {"patch-size", 7}}, 224, 1000)};
}

}  // namespace convmixer::perf

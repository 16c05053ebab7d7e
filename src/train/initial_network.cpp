#include "train/initial_network.hpp"

#include "convmixer/model/depthwise_initialisation.hpp"
#include "convmixer/model/freeze.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/train/image_size_schedule.hpp"

#include <fmt/format.h>

#include <utility>

namespace convmixer {

Network initial_network(const TrainConfig& config, const ModelConfig& model, Precision precision, Engine& engine) {
  const ClassificationTask task = task_of(model);
  const auto graph_for = [&](int image_size) {
    Graph graph = make_graph(with_task(model, {image_size, task.channels, task.classes}));
    freeze(graph, config.freeze);
    return graph;
  };
  Network network(graph_for(task.image_size), precision, engine, config.layout, config.plan);
  for (const int size : distinct_sizes(image_size_stretches(config), task.image_size))
    if (size != task.image_size) network.add_image_shape(graph_for(size));
  network.parameters().initialise(config.seed);
  initialise_depthwise(network.parameters(), config.depthwise_init, config.seed, config.depthwise_filters);
  network.set_micro_batch(config.micro_batch);
  network.set_norm_ranks(config.batch_norm);
  return network;
}

std::string describe_depthwise_filters(const TrainConfig& config) {
  const GaussianFilters& filters = config.depthwise_filters;
  switch (config.depthwise_init) {
    case DepthwiseInitialisation::standard:
      break;
    case DepthwiseInitialisation::gaussian:
      return fmt::format("Gaussian depthwise filters (sigma {}, length {} of the kernel)", filters.sigma,
                         filters.length);
    case DepthwiseInitialisation::impulse:
      return "depthwise filters of one tap";
  }
  return "";
}

}  // namespace convmixer

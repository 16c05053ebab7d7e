#include "train/initial_network.hpp"

#include "convmixer/model/freeze.hpp"
#include "convmixer/model/registry.hpp"

#include <utility>

namespace convmixer {

Network initial_network(const TrainConfig& config, const ModelConfig& model, Precision precision, Engine& engine) {
  Graph graph = make_graph(model);
  freeze(graph, config.freeze);
  Network network(std::move(graph), precision, engine, config.layout, config.plan);
  network.parameters().initialise(config.seed);
  return network;
}

}  // namespace convmixer

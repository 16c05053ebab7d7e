#include "convmixer/model/resnet.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/io/tensor_file.hpp"
#include "model/drop_rates.hpp"
#include "model/tensor_sizes.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>
#include <string_view>

namespace convmixer {

namespace {

constexpr int kStages = 3;
constexpr int kLayersPerBlock = 2;
constexpr int kMostLayers = 2000;
constexpr std::string_view kKind = "a ResNet for small images";

int blocks_per_stage(int layers) { return (layers - 2) / (kStages * kLayersPerBlock); }

void check(const ResNetConfig& config) {
  // Generous limits that keep every size and offset far inside 64 bits.
  struct Limit {
    std::string_view name;
    int value;
    int least;
    int most;
  };
  for (const Limit& limit : std::array<Limit, 5>{{{"layers", config.layers, 8, kMostLayers},
                                                  {"width", config.width, 1, 1 << 11},
                                                  {"image-size", config.image_size, 1, 1 << 12},
                                                  {"channels", config.channels, 1, 1 << 8},
                                                  {"classes", config.classes, 1, 1 << 20}}}) {
    if (limit.value < limit.least || limit.value > limit.most) {
      fail_usage("{} = {}: expected a number from {} to {}", limit.name, limit.value, limit.least, limit.most);
    }
  }
  if ((config.layers - 2) % (kStages * kLayersPerBlock) != 0) {
    fail_usage("layers = {}: expected 6 n + 2 for n blocks in each of 3 stages: 8, 14, 20, 26, 32, 44, 56, 110, ...",
               config.layers);
  }
  check_drop_rate("dropout", config.dropout);
  check_drop_rate("drop-path", config.drop_path);
}

/// Without bias, drawn from N(0, 2 / fan_out).
TensorId convolution(Graph& graph, const std::string& name, TensorId input, int out_channels, int kernel, int stride) {
  const int padding = kernel / 2;
  const TensorId output =
      graph.convolution(name, input, out_channels, kernel, stride, 1, padding, padding, Bias::without);
  const double fan_out = static_cast<double>(out_channels) * kernel * kernel;
  graph.set_initialisation(name + ".weight", {.distribution = Initialisation::Distribution::normal,
                                              .scale = static_cast<float>(std::sqrt(2.0 / fan_out))});
  return output;
}

struct Block {
  std::string name;
  int channels;
  int stride;
  float drop_path;
};

/// torchvision's BasicBlock.
TensorId add_block(Graph& graph, const Block& block, TensorId x) {
  const auto name = [&](std::string_view rest) { return fmt::format("{}.{}", block.name, rest); };
  TensorId branch = convolution(graph, name("conv1"), x, block.channels, 3, block.stride);
  branch = graph.relu(name("act1"), graph.batch_norm(name("bn1"), branch));
  branch = graph.batch_norm(name("bn2"), convolution(graph, name("conv2"), branch, block.channels, 3, 1));
  if (block.drop_path > 0.0F) branch = graph.drop_path(name("drop_path"), branch, block.drop_path);
  TensorId shortcut = x;
  if (block.stride > 1) {
    shortcut = convolution(graph, name("downsample.0"), x, block.channels, 1, block.stride);
    shortcut = graph.batch_norm(name("downsample.1"), shortcut);
  }
  return graph.relu(name("act2"), graph.add(block.name, branch, shortcut));
}

/// Most of what the sizes are read from: if one is missing, read_sizes says which.
bool has_weights(const TensorFile& file) {
  return int{file.contains("conv1.weight")} + int{file.contains("layer1.0.conv1.weight")} +
             int{file.contains("fc.weight")} >=
         2;
}

void read_sizes(const TensorFile& file, ResNetConfig& config) {
  const Shape stem = positive_shape(file, "conv1.weight", 4, kKind);  // (width, channels, 3, 3)
  const Shape head = positive_shape(file, "fc.weight", 2, kKind);     // (classes, 4 width)
  if (stem[2] != 3 || file.contains("layer4.0.conv1.weight")) {
    fail(
        "{}: a ResNet for large images, with a stem of {} x {} pixels or four stages; expected CIFAR's, of 3 x 3 and "
        "three",
        file.path().string(), stem[2], stem[3]);
  }
  config.width = static_cast<int>(stem[0]);
  config.channels = static_cast<int>(stem[1]);
  config.classes = static_cast<int>(head[0]);
  config.layers =
      kStages * kLayersPerBlock * count_numbered(file, "layer1.", ".conv1.weight", blocks_per_stage(kMostLayers)) + 2;
}

ModelDescription describe_config(const ResNetConfig& config) {
  return {.name = fmt::format("ResNet-{}", config.layers), .details = fmt::format("width {}", config.width)};
}

}  // namespace

Graph make_resnet(const ResNetConfig& config) {
  check(config);
  Graph graph(config.channels, config.image_size, config.image_size);
  TensorId x = convolution(graph, "conv1", graph.input(), config.width, 3, 1);
  x = graph.relu("act1", graph.batch_norm("bn1", x));
  const int blocks = blocks_per_stage(config.layers);
  for (int stage = 0; stage < kStages; ++stage) {
    for (int i = 0; i < blocks; ++i) {
      x = add_block(graph,
                    {.name = fmt::format("layer{}.{}", stage + 1, i),
                     .channels = config.width << stage,
                     .stride = stage > 0 && i == 0 ? 2 : 1,
                     .drop_path = drop_path_rate(config.drop_path, stage * blocks + i, kStages * blocks)},
                    x);
    }
  }
  x = graph.global_average_pool("global_pool", x);
  if (config.dropout > 0.0F) x = graph.dropout("head_drop", x, config.dropout);
  graph.linear("fc", x, config.classes);
  return graph;
}

ModelDefinition<ResNetConfig> resnet_definition() {
  using Config = ResNetConfig;
  return {
      .name = "resnet",
      .weight_names = "torchvision's",
      .sizes = {{"layers", &Config::layers, 8, kMostLayers, "with weights, 6 n + 2 for n blocks in each of 3 stages"},
                {"width", &Config::width, 1, 2048, "channels of the first stage; the next have twice as many"}},
      .rates = drop_rates<Config>(),
      .check = check,
      .graph = make_resnet,
      .describe = describe_config,
      .recognises = has_weights,
      .read_sizes = read_sizes};
}

}  // namespace convmixer

#include "convmixer/model/mlp_mixer.hpp"

#include "convmixer/io/tensor_file.hpp"
#include "model/drop_rates.hpp"
#include "model/patch_sizes.hpp"
#include "model/tensor_sizes.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

namespace convmixer {

namespace {

constexpr int kMostBlocks = 1 << 10;
constexpr std::string_view kModel = "an MLP-Mixer";
constexpr const char* kStemWeight = "stem.proj.weight";
constexpr const char* kTokenWeight = "blocks.0.mlp_tokens.fc1.weight";
constexpr const char* kChannelWeight = "blocks.0.mlp_channels.fc1.weight";
constexpr const char* kHeadWeight = "head.weight";

void check(const MlpMixerConfig& config) {
  // Generous limits that keep every size and offset far inside 64 bits.
  for (const SizeLimit& limit :
       {SizeLimit{"dim", config.dim, 1 << 13}, SizeLimit{"depth", config.depth, kMostBlocks},
        SizeLimit{"patch-size", config.patch_size, 1 << 12}, SizeLimit{"token-dim", config.token_dim, 1 << 15},
        SizeLimit{"channel-dim", config.channel_dim, 1 << 15}, SizeLimit{"image-size", config.image_size, 1 << 12},
        SizeLimit{"channels", config.channels, 1 << 8}, SizeLimit{"classes", config.classes, 1 << 20}})
    check_limit(limit);
  check_patch_fits(config.patch_size, config.image_size);
  check_drop_rate("dropout", config.dropout);
  check_drop_rate("drop-path", config.drop_path);
}

/// Most of what the sizes are read from: if one is missing, read_sizes says which.
bool has_weights(const TensorFile& file) {
  return int{file.contains(kStemWeight)} + int{file.contains(kTokenWeight)} + int{file.contains(kChannelWeight)} >= 2;
}

void read_sizes(const TensorFile& file, MlpMixerConfig& config) {
  const Shape stem = positive_shape(file, kStemWeight, 4, kModel);         // (dim, channels, patch, patch)
  const Shape tokens = positive_shape(file, kTokenWeight, 2, kModel);      // (token-dim, patches)
  const Shape channels = positive_shape(file, kChannelWeight, 2, kModel);  // (channel-dim, dim)
  const Shape head = positive_shape(file, kHeadWeight, 2, kModel);         // (classes, dim)
  config.dim = static_cast<int>(stem[0]);
  config.channels = static_cast<int>(stem[1]);
  config.patch_size = static_cast<int>(stem[2]);
  config.token_dim = static_cast<int>(tokens[0]);
  config.channel_dim = static_cast<int>(channels[0]);
  config.classes = static_cast<int>(head[0]);
  config.depth = count_numbered(file, "blocks.", ".mlp_tokens.fc1.weight", kMostBlocks);
  config.image_size = image_size_of(file, kTokenWeight, tokens[1], stem[2]);
}

ModelDescription describe_config(const MlpMixerConfig& config) {
  return {
      .name = fmt::format("MLP-Mixer-{}/{}", config.dim, config.depth),
      .details = fmt::format("patch {}, MLPs of {} and {}", config.patch_size, config.token_dim, config.channel_dim)};
}

// timm's mlp_mixer.py, _init_weights(flax=False): linear layers of MLPs xavier_uniform with biases from a normal
// distribution of 1e-6; the patch embedding lecun_normal, whose standard deviation sqrt(1 / fan_in) is what is left of
// a normal distribution that is cut off at two of its own; the head and all other biases 0.

void set_constant(Graph& graph, const std::string& parameter, float value) {
  graph.set_initialisation(parameter, {Initialisation::Distribution::constant, value});
}

void set_lecun_normal(Graph& graph, const std::string& node, std::int64_t fan_in) {
  constexpr float kDeviationWithin = 0.87962566F;  // of a standard normal distribution cut off at 2
  const float deviation = 1.0F / std::sqrt(static_cast<float>(fan_in)) / kDeviationWithin;
  graph.set_initialisation(node + ".weight", {Initialisation::Distribution::truncated_normal, deviation});
  set_constant(graph, node + ".bias", 0.0F);
}

TensorId add_linear_of_mlp(Graph& graph, const std::string& name, TensorId input, int in_features, int out_features) {
  const TensorId output = graph.linear(name, input, out_features);
  const float bound = std::sqrt(6.0F / static_cast<float>(in_features + out_features));
  graph.set_initialisation(name + ".weight", {Initialisation::Distribution::uniform, bound});
  graph.set_initialisation(name + ".bias", {Initialisation::Distribution::normal, 1e-6F});
  return output;
}

TensorId add_drop_path(Graph& graph, const std::string& name, TensorId branch, const MlpMixerConfig& config,
                       int block) {
  const float rate = drop_path_rate(config.drop_path, block, config.depth);
  return rate > 0.0F ? graph.drop_path(name, branch, rate) : branch;
}

/// Of (rows, features).
TensorId add_mlp(Graph& graph, const std::string& name, TensorId input, int features, int hidden) {
  TensorId x = add_linear_of_mlp(graph, name + ".fc1", input, features, hidden);
  x = graph.gelu(name + ".act", x);
  return add_linear_of_mlp(graph, name + ".fc2", x, hidden, features);
}

}  // namespace

Graph make_mlp_mixer(const MlpMixerConfig& config) {
  check(config);
  Graph graph(config.channels, config.image_size, config.image_size);
  const int side = config.image_size / config.patch_size;
  TensorId x = graph.convolution("stem.proj", graph.input(), config.dim, config.patch_size, config.patch_size, 1, 0, 0);
  set_lecun_normal(graph, "stem.proj", std::int64_t{config.channels} * config.patch_size * config.patch_size);
  x = graph.to_tokens("stem.flatten", x);
  for (int i = 0; i < config.depth; ++i) {
    const auto name = [i](std::string_view rest) { return fmt::format("blocks.{}.{}", i, rest); };
    TensorId branch = graph.transpose(name("transpose1"), graph.layer_norm(name("norm1"), x));
    branch = add_mlp(graph, name("mlp_tokens"), branch, side * side, config.token_dim);
    branch = add_drop_path(graph, name("drop_path1"), graph.transpose(name("transpose2"), branch), config, i);
    x = graph.add(name("add1"), x, branch);
    branch = add_mlp(graph, name("mlp_channels"), graph.layer_norm(name("norm2"), x), config.dim, config.channel_dim);
    x = graph.add(name("add2"), x, add_drop_path(graph, name("drop_path2"), branch, config, i));
  }
  x = graph.token_mean("pooling", graph.layer_norm("norm", x));
  if (config.dropout > 0.0F) x = graph.dropout("head_drop", x, config.dropout);
  graph.linear("head", x, config.classes);
  set_constant(graph, "head.weight", 0.0F);
  set_constant(graph, "head.bias", 0.0F);
  return graph;
}

ModelDefinition<MlpMixerConfig> mlp_mixer_definition() {
  using Config = MlpMixerConfig;
  return {.name = "mlp-mixer",
          .sizes = {{"dim", &Config::dim, 1, 8192, "features of every token"},
                    {"depth", &Config::depth, 1, 1024, "number of blocks"},
                    {"patch-size", &Config::patch_size, 1, 64, "pixels of a patch, in each direction"},
                    {"token-dim", &Config::token_dim, 1, 32768, "hidden features of the MLPs that mix tokens"},
                    {"channel-dim", &Config::channel_dim, 1, 32768, "hidden features of the MLPs that mix channels"}},
          .rates = drop_rates<Config>(),
          .check = check,
          .graph = make_mlp_mixer,
          .describe = describe_config,
          .recognises = has_weights,
          .read_sizes = read_sizes,
          .image_step = [](const Config& config) { return config.patch_size; }};
}

}  // namespace convmixer

#include "convmixer/model/vit.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/plural.hpp"
#include "convmixer/io/tensor_file.hpp"
#include "io/metadata.hpp"
#include "model/drop_rates.hpp"
#include "model/patch_sizes.hpp"
#include "model/tensor_sizes.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace convmixer {

namespace {

constexpr int kMostBlocks = 1 << 10;
constexpr std::string_view kModel = "a ViT";
constexpr const char* kPatchWeight = "patch_embed.proj.weight";
constexpr const char* kPositions = "pos_embed";
constexpr const char* kClassToken = "cls_token";
constexpr const char* kQueriesKeysValues = "blocks.0.attn.qkv.weight";
constexpr const char* kMlpWeight = "blocks.0.mlp.fc1.weight";
constexpr const char* kPooledNorm = "fc_norm.weight";
constexpr const char* kHeadWeight = "head.weight";

void check(const VitConfig& config) {
  // Generous limits that keep every size and offset far inside 64 bits.
  for (const SizeLimit& limit :
       {SizeLimit{"dim", config.dim, 1 << 13}, SizeLimit{"depth", config.depth, kMostBlocks},
        SizeLimit{"heads", config.heads, 1 << 10}, SizeLimit{"mlp-dim", config.mlp_dim, 1 << 15},
        SizeLimit{"patch-size", config.patch_size, 1 << 12}, SizeLimit{"image-size", config.image_size, 1 << 12},
        SizeLimit{"channels", config.channels, 1 << 8}, SizeLimit{"classes", config.classes, 1 << 20}})
    check_limit(limit);
  check_patch_fits(config.patch_size, config.image_size);
  check_drop_rate("dropout", config.dropout);
  check_drop_rate("drop-path", config.drop_path);
  if (config.dim % config.heads != 0)
    fail_usage("heads = {}: expected a number that divides dim = {}", config.heads, config.dim);
  if (config.pooling == TokenPooling::token && !config.class_token)
    fail_usage("pooling = token: expected a class-token to read, or pooling = mean");
}

/// Most of what the sizes are read from: if one is missing, read_sizes says which.
bool has_weights(const TensorFile& file) {
  return int{file.contains(kPatchWeight)} + int{file.contains(kQueriesKeysValues)} + int{file.contains(kPositions)} >=
         2;
}

void read_sizes(const TensorFile& file, VitConfig& config) {
  const Shape patch = positive_shape(file, kPatchWeight, 4, kModel);    // (dim, channels, patch, patch)
  const Shape positions = positive_shape(file, kPositions, 3, kModel);  // (1, tokens, dim)
  const Shape mlp = positive_shape(file, kMlpWeight, 2, kModel);        // (mlp-dim, dim)
  const Shape head = positive_shape(file, kHeadWeight, 2, kModel);      // (classes, dim)
  config.dim = static_cast<int>(patch[0]);
  config.channels = static_cast<int>(patch[1]);
  config.patch_size = static_cast<int>(patch[2]);
  config.mlp_dim = static_cast<int>(mlp[0]);
  config.classes = static_cast<int>(head[0]);
  config.depth = count_numbered(file, "blocks.", ".attn.qkv.weight", kMostBlocks);
  config.class_token = file.contains(kClassToken);
  config.pooling = file.contains(kPooledNorm) ? TokenPooling::mean : TokenPooling::token;
  if (!config.class_token && config.pooling == TokenPooling::token)
    fail("{}: has neither {} nor {}: a network that normalises tokens before their mean is not known here",
         file.path().string(), kClassToken, kPooledNorm);
  config.image_size = image_size_of(file, kPositions, positions[1] - int{config.class_token}, patch[2]);
  // Tensors don't show the heads: published networks have one for every 64 features.
  constexpr int kUsualFeatures = 64;
  if (!is_own(file)) config.heads = config.dim % kUsualFeatures == 0 ? config.dim / kUsualFeatures : 1;
}

ModelDescription describe_config(const VitConfig& config) {
  std::string read = "class token";
  if (config.pooling == TokenPooling::mean)
    read = config.class_token ? "mean of tokens beside a class token" : "mean of tokens";
  return {.name = fmt::format("ViT-{}/{}", config.dim, config.depth),
          .details = fmt::format("patch {}, {}, MLPs of {}, {}", config.patch_size, counted(config.heads, "head"),
                                 config.mlp_dim, read)};
}

// timm's vision_transformer.py, init_weights_vit_timm: linear layers from a normal distribution of 0.02 (cut off at 2,
// a hundred of these), their biases 0; position embedding likewise, class token of 1e-6; the patch embedding as
// torch.nn.

void set_normal(Graph& graph, const std::string& parameter, float deviation) {
  graph.set_initialisation(parameter, {Initialisation::Distribution::normal, deviation});
}

TensorId add_linear(Graph& graph, const std::string& name, TensorId input, int out_features) {
  const TensorId output = graph.linear(name, input, out_features);
  set_normal(graph, name + ".weight", 0.02F);
  graph.set_initialisation(name + ".bias", {Initialisation::Distribution::constant, 0.0F});
  return output;
}

TensorId add_embeddings(Graph& graph, const VitConfig& config) {
  TensorId x =
      graph.convolution("patch_embed.proj", graph.input(), config.dim, config.patch_size, config.patch_size, 1, 0, 0);
  x = graph.to_tokens("patch_embed.flatten", x);
  if (config.class_token) {
    x = graph.class_token(kClassToken, x);
    set_normal(graph, kClassToken, 1e-6F);
  }
  x = graph.position_embedding(kPositions, x);
  set_normal(graph, kPositions, 0.02F);
  return x;
}

TensorId add_block(Graph& graph, const VitConfig& config, int number, TensorId x) {
  const auto name = [number](std::string_view rest) { return fmt::format("blocks.{}.{}", number, rest); };
  TensorId branch = add_linear(graph, name("attn.qkv"), graph.layer_norm(name("norm1"), x), 3 * config.dim);
  branch = add_linear(graph, name("attn.proj"), graph.attention(name("attn"), branch, config.heads), config.dim);
  const float rate = drop_path_rate(config.drop_path, number, config.depth);
  if (rate > 0.0F) branch = graph.drop_path(name("drop_path1"), branch, rate);
  x = graph.add(name("add1"), x, branch);
  branch = add_linear(graph, name("mlp.fc1"), graph.layer_norm(name("norm2"), x), config.mlp_dim);
  branch = add_linear(graph, name("mlp.fc2"), graph.gelu(name("mlp.act"), branch), config.dim);
  if (rate > 0.0F) branch = graph.drop_path(name("drop_path2"), branch, rate);
  return graph.add(name("add2"), x, branch);
}

}  // namespace

Graph make_vit(const VitConfig& config) {
  check(config);
  Graph graph(config.channels, config.image_size, config.image_size);
  TensorId x = add_embeddings(graph, config);
  for (int i = 0; i < config.depth; ++i) x = add_block(graph, config, i, x);
  if (config.pooling == TokenPooling::token) {
    x = graph.layer_norm("norm", graph.token_mean("pooling", x, 0, 1));  // of this token alone: the same in less time
  } else {
    const int side = config.image_size / config.patch_size;
    const int first = int{config.class_token};
    x = graph.layer_norm("fc_norm", graph.token_mean("pooling", x, first, first + side * side));
  }
  if (config.dropout > 0.0F) x = graph.dropout("head_drop", x, config.dropout);
  add_linear(graph, "head", x, config.classes);
  return graph;
}

ModelDefinition<VitConfig> vit_definition() {
  using Config = VitConfig;
  return {.name = "vit",
          .sizes = {{"dim", &Config::dim, 1, 8192, "features of every token"},
                    {"depth", &Config::depth, 1, 1024, "number of blocks"},
                    {"heads", &Config::heads, 1, 1024, "of attention; they divide dim"},
                    {"mlp-dim", &Config::mlp_dim, 1, 32768, "hidden features of the MLPs"},
                    {"patch-size", &Config::patch_size, 1, 64, "pixels of a patch, in each direction"}},
          .choices = {choice_of<Config, TokenPooling>("pooling", &Config::pooling,
                                                      {{"token", TokenPooling::token}, {"mean", TokenPooling::mean}},
                                                      "what the classifier reads: the class token, or the mean of the "
                                                      "patches' tokens (timm's avg)"),
                      choice_of<Config, bool>("class-token", &Config::class_token, {{"yes", true}, {"no", false}},
                                              "a learnt token before those of the patches; no: pooling = mean alone")},
          .rates = drop_rates<Config>(),
          .check = check,
          .graph = make_vit,
          .describe = describe_config,
          .recognises = has_weights,
          .read_sizes = read_sizes,
          .image_step = [](const Config& config) { return config.patch_size; }};
}

}  // namespace convmixer

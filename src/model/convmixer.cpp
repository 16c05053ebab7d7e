#include "convmixer/model/convmixer.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/io/tensor_file.hpp"
#include "model/drop_rates.hpp"
#include "model/tensor_sizes.hpp"

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace convmixer {

namespace {

constexpr int kMostBlocks = 1 << 10;

using Norm = ConvMixerConfig::Norm;
using Activation = ConvMixerConfig::Activation;
using Residual = ConvMixerConfig::Residual;

constexpr int kNormGroups = 32;  // Wu & He's, and torch's and timm's usual

void check_choices(const ConvMixerConfig& config) {
  if (config.norm == Norm::group && config.dim % kNormGroups != 0) {
    fail_usage("dim = {}: norm = group has {} groups of channels, expected a multiple of that", config.dim,
               kNormGroups);
  }
  check_drop_rate("dropout", config.dropout);
  check_drop_rate("drop-path", config.drop_path);
  if (config.drop_path > 0.0F && config.residual == Residual::none) {
    fail_usage("drop-path = {}: has no effect with residual = none", config.drop_path);
  }
  if (config.drop_path > 0.0F && config.depth == 1) {
    fail_usage("drop-path = {}: has no effect with depth = 1: it grows from 0 at the first block", config.drop_path);
  }
}

void check(const ConvMixerConfig& config) {
  // Generous limits that keep every size and offset far inside 64 bits.
  struct Limit {
    std::string_view name;
    int value;
    int most;
  };
  for (const Limit& limit : std::array<Limit, 7>{{{"dim", config.dim, 1 << 13},
                                                  {"depth", config.depth, kMostBlocks},
                                                  {"kernel-size", config.kernel_size, 127},
                                                  {"patch-size", config.patch_size, 1 << 12},
                                                  {"image-size", config.image_size, 1 << 12},
                                                  {"channels", config.channels, 1 << 8},
                                                  {"classes", config.classes, 1 << 20}}}) {
    if (limit.value < 1 || limit.value > limit.most) {
      fail_usage("{} = {}: expected a number from 1 to {}", limit.name, limit.value, limit.most);
    }
  }
  if (config.patch_size > config.image_size) {
    fail_usage("patch-size = {}: a patch does not fit into an image of {}x{}", config.patch_size, config.image_size,
               config.image_size);
  }
  check_choices(config);
}

constexpr std::string_view kKind = "a ConvMixer";
constexpr const char* kStemWeight = "stem.0.weight";
constexpr const char* kHeadWeight = "head.weight";

std::string depthwise_weight(int block) { return fmt::format("blocks.{}.0.fn.0.weight", block); }

/// Most of what the sizes are read from: if one is missing, read_sizes says which.
bool has_weights(const TensorFile& file) {
  return int{file.contains(kStemWeight)} + int{file.contains(depthwise_weight(0))} + int{file.contains(kHeadWeight)} >=
         2;
}

void read_sizes(const TensorFile& file, ConvMixerConfig& config) {
  const Shape stem = positive_shape(file, kStemWeight, 4, kKind);               // (dim, channels, patch, patch)
  const Shape depthwise = positive_shape(file, depthwise_weight(0), 4, kKind);  // (dim, 1, kernel, kernel)
  const Shape head = positive_shape(file, kHeadWeight, 2, kKind);               // (classes, dim)
  config.dim = static_cast<int>(stem[0]);
  config.channels = static_cast<int>(stem[1]);
  config.patch_size = static_cast<int>(stem[2]);
  config.kernel_size = static_cast<int>(depthwise[2]);
  config.classes = static_cast<int>(head[0]);
  if (file.contains("stem.2.running_mean")) {
    config.norm = Norm::batch;
  } else if (file.contains("stem.2.weight") && config.norm == Norm::batch) {
    config.norm = Norm::layer;  // or group, which no tensor shows
  }
  config.depth = count_numbered(file, "blocks.", ".0.fn.0.weight", kMostBlocks);
}

ModelDescription describe_config(const ConvMixerConfig& config) {
  std::string details = fmt::format("kernel {}, patch {}", config.kernel_size, config.patch_size);
  if (config.norm == Norm::layer) details += ", layer norm";
  if (config.norm == Norm::group) details += ", group norm";
  if (config.activation == Activation::relu) details += ", ReLU";
  if (config.residual == Residual::both) details += ", both residuals";
  if (config.residual == Residual::none) details += ", no residuals";
  return {.name = fmt::format("ConvMixer-{}/{}", config.dim, config.depth), .details = std::move(details)};
}

/// Adds a ConvMixer's parts.
class Builder {
 public:
  Builder(Graph& graph, const ConvMixerConfig& config) : graph_(graph), config_(config) {}

  TensorId activation(const std::string& name, TensorId x) {
    return config_.activation == Activation::gelu ? graph_.gelu(name, x) : graph_.relu(name, x);
  }

  TensorId norm(const std::string& name, TensorId x) {
    if (config_.norm == Norm::layer) return graph_.layer_norm(name, x);
    if (config_.norm == Norm::group) return graph_.group_norm(name, x, kNormGroups);
    return graph_.batch_norm(name, x);
  }

  /// x + branch, where the branch is dropped at times.
  TensorId residual(const std::string& name, int block, TensorId x, TensorId branch) {
    const float rate = drop_path_rate(config_.drop_path, block, config_.depth);
    if (rate > 0.0F) branch = graph_.drop_path(name + ".drop_path", branch, rate);
    return graph_.add(name, branch, x);
  }

  TensorId block(int i, TensorId x) {
    const auto name = [i](std::string_view rest) { return fmt::format("blocks.{}.{}", i, rest); };
    TensorId branch = graph_.convolution_same(name("0.fn.0"), x, config_.dim, config_.kernel_size, config_.dim);
    branch = norm(name("0.fn.2"), activation(name("0.fn.1"), branch));
    x = config_.residual == Residual::none ? branch : residual(name("0"), i, x, branch);
    branch = graph_.convolution_same(name("1"), x, config_.dim, 1, 1);
    branch = norm(name("3"), activation(name("2"), branch));
    return config_.residual == Residual::both ? residual(fmt::format("blocks.{}", i), i, x, branch) : branch;
  }

 private:
  Graph& graph_;
  const ConvMixerConfig& config_;
};

}  // namespace

Graph make_convmixer(const ConvMixerConfig& config) {
  check(config);
  Graph graph(config.channels, config.image_size, config.image_size);
  Builder builder(graph, config);
  TensorId x = graph.convolution("stem.0", graph.input(), config.dim, config.patch_size, config.patch_size, 1, 0, 0);
  x = builder.norm("stem.2", builder.activation("stem.1", x));
  for (int i = 0; i < config.depth; ++i) x = builder.block(i, x);
  x = graph.global_average_pool("pooling", x);
  if (config.dropout > 0.0F) x = graph.dropout("head_drop", x, config.dropout);
  graph.linear("head", x, config.classes);
  return graph;
}

ModelDefinition<ConvMixerConfig> convmixer_definition() {
  using Config = ConvMixerConfig;
  return {.name = "convmixer",
          .sizes = {{"dim", &Config::dim, 1, 8192, "channels of every block"},
                    {"depth", &Config::depth, 1, 1024, "number of blocks"},
                    {"kernel-size", &Config::kernel_size, 1, 64, "of the depthwise convolutions, odd or even"},
                    {"patch-size", &Config::patch_size, 1, 64, "pixels of a patch, in each direction"}},
          .choices = {choice_of<Config, Norm>("norm", &Config::norm,
                                              {{"batch", Norm::batch}, {"layer", Norm::layer}, {"group", Norm::group}},
                                              "of each convolution's activations; group: 32 groups of channels"),
                      choice_of<Config, Activation>("activation", &Config::activation,
                                                    {{"gelu", Activation::gelu}, {"relu", Activation::relu}},
                                                    "after each convolution"),
                      choice_of<Config, Residual>(
                          "residual", &Config::residual,
                          {{"depthwise", Residual::depthwise}, {"both", Residual::both}, {"none", Residual::none}},
                          "the halves of a block that add their input")},
          .rates = drop_rates<Config>(),
          .check = check,
          .graph = make_convmixer,
          .describe = describe_config,
          .recognises = has_weights,
          .read_sizes = read_sizes,
          .image_step = [](const Config& config) { return config.patch_size; }};
}

}  // namespace convmixer

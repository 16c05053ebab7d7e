#include "convmixer/model/convmixer.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/io/tensor_file.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace convmixer {

namespace {

constexpr int kMostBlocks = 1 << 10;

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
}

constexpr const char* kStemWeight = "stem.0.weight";
constexpr const char* kHeadWeight = "head.weight";

std::string depthwise_weight(int block) { return fmt::format("blocks.{}.0.fn.0.weight", block); }

/// Most of what the sizes are read from: if one is missing, read_sizes says which.
bool has_weights(const TensorFile& file) {
  return int{file.contains(kStemWeight)} + int{file.contains(depthwise_weight(0))} + int{file.contains(kHeadWeight)} >=
         2;
}

/// One more than the highest number of a block that has its first tensor; 0 without any. A block that is missing in
/// between is found missing when the weights are loaded.
int depth_of(const TensorFile& file) {
  constexpr std::string_view kBefore = "blocks.";
  constexpr std::string_view kAfter = ".0.fn.0.weight";
  int depth = 0;
  for (auto tensor = file.tensors().lower_bound(std::string(kBefore));
       tensor != file.tensors().end() && tensor->first.starts_with(kBefore); ++tensor) {
    const std::string_view rest = std::string_view(tensor->first).substr(kBefore.size());
    int block = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), block);
    const std::string_view after = rest.substr(static_cast<std::size_t>(end - rest.data()));
    if (error == std::errc{} && after == kAfter && block >= depth && block < kMostBlocks) depth = block + 1;
  }
  return depth;
}

/// Shape of a tensor that every ConvMixer has, of positive extents that fit an int.
Shape positive_shape(const TensorFile& file, const std::string& name, int rank) {
  const Shape shape = file.tensor(name).shape;
  bool good = shape.rank() == rank;
  for (int axis = 0; good && axis < rank; ++axis) {
    good = shape[axis] >= 1 && shape[axis] <= std::numeric_limits<int>::max();
  }
  if (!good) {
    fail("{}: tensor {}: shape {} is not that of a ConvMixer", file.path().string(), name, shape.to_string());
  }
  return shape;
}

void read_sizes(const TensorFile& file, ConvMixerConfig& config) {
  const Shape stem = positive_shape(file, kStemWeight, 4);               // (dim, channels, patch, patch)
  const Shape depthwise = positive_shape(file, depthwise_weight(0), 4);  // (dim, 1, kernel, kernel)
  const Shape head = positive_shape(file, kHeadWeight, 2);               // (classes, dim)
  config.dim = static_cast<int>(stem[0]);
  config.channels = static_cast<int>(stem[1]);
  config.patch_size = static_cast<int>(stem[2]);
  config.kernel_size = static_cast<int>(depthwise[2]);
  config.classes = static_cast<int>(head[0]);
  config.depth = depth_of(file);
}

ModelDescription describe_config(const ConvMixerConfig& config) {
  return {.name = fmt::format("ConvMixer-{}/{}", config.dim, config.depth),
          .details = fmt::format("kernel {}, patch {}", config.kernel_size, config.patch_size)};
}

}  // namespace

Graph make_convmixer(const ConvMixerConfig& config) {
  check(config);
  Graph graph(config.channels, config.image_size, config.image_size);
  TensorId x = graph.convolution("stem.0", graph.input(), config.dim, config.patch_size, config.patch_size, 1, 0, 0);
  x = graph.gelu("stem.1", x);
  x = graph.batch_norm("stem.2", x);
  for (int i = 0; i < config.depth; ++i) {
    const auto name = [i](std::string_view rest) { return fmt::format("blocks.{}.{}", i, rest); };
    TensorId branch = graph.convolution_same(name("0.fn.0"), x, config.dim, config.kernel_size, config.dim);
    branch = graph.gelu(name("0.fn.1"), branch);
    branch = graph.batch_norm(name("0.fn.2"), branch);
    x = graph.add(name("0"), branch, x);
    x = graph.convolution_same(name("1"), x, config.dim, 1, 1);
    x = graph.gelu(name("2"), x);
    x = graph.batch_norm(name("3"), x);
  }
  x = graph.global_average_pool("pooling", x);
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
          .check = check,
          .graph = make_convmixer,
          .describe = describe_config,
          .recognises = has_weights,
          .read_sizes = read_sizes,
          .image_step = [](const Config& config) { return config.patch_size; }};
}

}  // namespace convmixer

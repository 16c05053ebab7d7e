#include "convmixer/model/convmixer.hpp"

#include "convmixer/core/error.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

namespace convmixer {

Graph make_convmixer(const ConvMixerConfig& config) {
  // Generous limits that keep every size and offset far inside 64 bits.
  struct Limit {
    std::string_view name;
    int value;
    int most;
  };
  for (const Limit& limit : std::array<Limit, 7>{{{"dim", config.dim, 1 << 13},
                                                  {"depth", config.depth, 1 << 10},
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

}  // namespace convmixer

/// A registry of two models, to test what one of a single model can't show.
#pragma once

#include "convmixer/core/error.hpp"
#include "convmixer/io/safetensors.hpp"
#include "convmixer/model/registry.hpp"

#include <variant>
#include <vector>

namespace convmixer::testing_support {

/// ModelConfig has no alternative for a model of tests: "twin" borrows ConvMixer's, and marks it by this dim. It has a
/// `depth` as ConvMixer has, of other limits, and `heads` of its own, which lie in kernel_size.
inline constexpr int kTwinMark = -1;

inline ModelEntry twin_entry() {
  using Config = ConvMixerConfig;
  const auto config = [](ModelConfig& model) -> Config& { return std::get<Config>(model); };
  return {
      .name = "twin",
      .weight_names = "their own",
      .defaults = Config{.dim = kTwinMark, .depth = 3, .kernel_size = 2},
      .settings = {{"depth", "layers", SizeSetting{1, 5, [config](ModelConfig& m) -> int& { return config(m).depth; }}},
                   {"heads", "of attention",
                    SizeSetting{1, 9, [config](ModelConfig& m) -> int& { return config(m).kernel_size; }}}},
      .holds = [](const ModelConfig& m) { return std::get<Config>(m).dim == kTwinMark; },
      .check =
          [](const ModelConfig& m) {
            if (std::get<Config>(m).kernel_size == 7) fail_usage("heads = 7: too odd");
          },
      .graph = [](const ModelConfig&) { return Graph(1, 1, 1); },
      .describe =
          [](const ModelConfig&) {
            return ModelDescription{"Twin", "like the other"};
          },
      .recognises = [](const TensorFile& file) { return file.contains("twin.weight"); },
      .read_sizes =
          [config](const TensorFile& file, ModelConfig& m) {
            const Shape shape = file.tensor("twin.weight").shape;  // (heads, channels, classes); not the depth
            config(m).kernel_size = static_cast<int>(shape[0]);
            config(m).channels = static_cast<int>(shape[1]);
            config(m).classes = static_cast<int>(shape[2]);
          }};
}

inline const std::vector<ModelEntry>& two_models() {
  static const std::vector<ModelEntry> both = [] {
    std::vector<ModelEntry> entries{models().front(), twin_entry()};
    entries.front().holds = [](const ModelConfig& m) { return std::get<ConvMixerConfig>(m).dim != kTwinMark; };
    return entries;
  }();
  return both;
}

}  // namespace convmixer::testing_support

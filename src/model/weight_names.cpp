#include "model/weight_names.hpp"

#include "convmixer/core/error.hpp"
#include "io/quoted.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <string_view>
#include <utility>

namespace convmixer {
namespace {

using Names = std::set<std::string>;

/// How a program names a ConvMixer's layers: WeightNaming's ways. `{}` stands for a block's number, in the head for the
/// number of a part that comes after the blocks.
struct Naming {
  WeightNaming way;
  const char* stem;
  const char* stem_norm;
  const char* depthwise;
  const char* depthwise_norm;
  const char* pointwise;
  const char* pointwise_norm;
  const char* head;
  int first_block = 0;
  int after_blocks = 0;  ///< parts without parameters between the last block and the head

  [[nodiscard]] std::string in_block(const char* pattern, int block) const {
    return fmt::format(fmt::runtime(pattern), first_block + block);
  }
  [[nodiscard]] std::string head_of(int depth) const {
    return fmt::format(fmt::runtime(head), first_block + depth + after_blocks);
  }
};

constexpr Naming kTimm{.way = WeightNaming::timm,
                       .stem = "stem.0",
                       .stem_norm = "stem.2",
                       .depthwise = "blocks.{}.0.fn.0",
                       .depthwise_norm = "blocks.{}.0.fn.2",
                       .pointwise = "blocks.{}.1",
                       .pointwise_norm = "blocks.{}.3",
                       .head = "head"};

constexpr std::array kOthers{// https://github.com/locuslab/convmixer/blob/main/convmixer.py
                             Naming{.way = WeightNaming::locuslab,
                                    .stem = "0",
                                    .stem_norm = "2",
                                    .depthwise = "{}.0.fn.0",
                                    .depthwise_norm = "{}.0.fn.2",
                                    .pointwise = "{}.1",
                                    .pointwise_norm = "{}.3",
                                    .head = "{}",
                                    .first_block = 3,
                                    .after_blocks = 2},
                             // arXiv 2201.09792, appendix D
                             Naming{.way = WeightNaming::paper,
                                    .stem = "0.0",
                                    .stem_norm = "0.2",
                                    .depthwise = "{}.0.0.0",
                                    .depthwise_norm = "{}.0.0.2",
                                    .pointwise = "{}.1.0",
                                    .pointwise_norm = "{}.1.2",
                                    .head = "{}",
                                    .first_block = 1,
                                    .after_blocks = 2},
                             // https://nn.labml.ai/conv_mixer/index.html
                             Naming{.way = WeightNaming::labml,
                                    .stem = "patch_emb.conv",
                                    .stem_norm = "patch_emb.norm",
                                    .depthwise = "conv_mixer_layers.{}.depth_wise_conv",
                                    .depthwise_norm = "conv_mixer_layers.{}.norm1",
                                    .pointwise = "conv_mixer_layers.{}.point_wise_conv",
                                    .pointwise_norm = "conv_mixer_layers.{}.norm2",
                                    .head = "classification.linear"}};

constexpr std::array<const Naming*, 1 + kOthers.size()> kNamings{&kTimm, kOthers.data(), &kOthers[1], &kOthers[2]};

/// The longest beginning up to a dot that all names have.
std::string common_beginning(const Names& names) {
  if (names.empty()) return "";
  const std::string& first = *names.begin();  // in sorted order, what the first and last share is shared by all
  const std::string& last = *names.rbegin();
  const auto end = std::ranges::mismatch(first, last).in1;
  const std::string_view shared(first.data(), static_cast<std::size_t>(end - first.begin()));
  const std::size_t dot = shared.rfind('.');
  return dot == std::string_view::npos ? "" : first.substr(0, dot + 1);
}

/// Calls pair(there, here) for every layer.
void for_each_layer(const Naming& naming, int depth,
                    const std::function<void(const std::string& there, const std::string& here)>& pair) {
  pair(naming.stem, kTimm.stem);
  pair(naming.stem_norm, kTimm.stem_norm);
  for (int block = 0; block < depth; ++block) {
    for (const auto part : {&Naming::depthwise, &Naming::depthwise_norm, &Naming::pointwise, &Naming::pointwise_norm})
      pair(naming.in_block(naming.*part, block), kTimm.in_block(kTimm.*part, block));
  }
  pair(naming.head_of(depth), kTimm.head);
}

/// A ConvMixer among a file's tensors.
struct Found {
  const Naming* naming = nullptr;
  std::string beginning;  ///< before every name
  int depth = 0;
};

/// Number of blocks of a ConvMixer that is named so after this beginning; 0 if there is none.
int depth_of(const Naming& naming, const std::string& beginning, const Names& names) {
  int depth = 0;
  while (names.contains(fmt::format("{}{}.weight", beginning, naming.in_block(naming.depthwise, depth)))) ++depth;
  return depth;
}

/// A ConvMixer by any of the namings, whatever comes before its names and whatever else there is; of several, say a
/// moving average of it, the one with the shortest beginning.
Found find_convmixer(const Names& names) {
  Found found;
  for (const Naming* const naming : kNamings) {
    const std::string stem = fmt::format("{}.weight", naming->stem);
    for (const std::string& name : names) {
      if (!name.ends_with(stem)) continue;
      std::string beginning = name.substr(0, name.size() - stem.size());
      if (!beginning.empty() && beginning.back() != '.') continue;
      if (found.naming != nullptr && beginning.size() >= found.beginning.size()) continue;
      if (const int depth = depth_of(*naming, beginning, names); depth > 0)
        found = {naming, std::move(beginning), depth};
    }
  }
  return found;
}

}  // namespace

std::map<std::string, std::string> names_here(const TensorFile& file) {
  Names names;
  for (const auto& [name, entry] : file.tensors()) names.insert(name);
  const Found found = find_convmixer(names);
  const std::string beginning = found.naming == nullptr ? common_beginning(names) : found.beginning;

  std::map<std::string, std::string> layers;
  if (found.naming != nullptr && found.naming != &kTimm) {
    for_each_layer(*found.naming, found.depth,
                   [&](const std::string& there, const std::string& here) { layers[there] = here; });
  }
  std::map<std::string, std::string> result;
  for (const std::string& name : names) {
    if (!name.starts_with(beginning)) continue;
    const std::string rest = name.substr(beginning.size());
    const std::size_t dot = rest.rfind('.');
    const auto layer = dot == std::string::npos ? layers.end() : layers.find(rest.substr(0, dot));
    const std::string here = layer == layers.end() ? rest : layer->second + rest.substr(dot);
    if (here != name && !names.contains(here)) result[name] = here;
  }
  return result;
}

std::map<std::string, std::string> names_there(WeightNaming naming, std::span<const std::string> names) {
  std::map<std::string, std::string> result;
  const auto way = std::ranges::find(kOthers, naming, &Naming::way);
  if (way == kOthers.end()) return result;

  std::map<std::string, std::string> layers;
  for_each_layer(*way, depth_of(kTimm, "", Names(names.begin(), names.end())),
                 [&](const std::string& there, const std::string& here) { layers[here] = there; });
  for (const std::string& name : names) {
    const std::size_t dot = std::min(name.rfind('.'), name.size());
    const auto layer = layers.find(name.substr(0, dot));
    if (layer == layers.end())
      fail_usage("a tensor {}: other programs' names are known for ConvMixers' tensors alone", quoted(name));
    result[name] = layer->second + name.substr(dot);
  }
  return result;
}

}  // namespace convmixer

/// Dropout and stochastic depth as settings of models: `float dropout` and `float drop_path` of their configurations.
#pragma once

#include "convmixer/core/error.hpp"
#include "convmixer/model/model_definition.hpp"

#include <string_view>
#include <vector>

namespace convmixer {

/// Throws Error (usage) unless it is a rate that can be dropped by.
inline void check_drop_rate(std::string_view name, float rate) {
  if (!(rate >= 0.0F && rate < 1.0F)) fail_usage("{} = {}: expected a number from 0 to below 1", name, rate);
}

/// Of a block's branch: growing from 0 at the first to `last` at the last block, as in Huang et al., arXiv 1603.09382,
/// and in timm. With a single block, as there, 0.
[[nodiscard]] inline float drop_path_rate(float last, int block, int blocks) {
  return blocks > 1 ? last * static_cast<float>(block) / static_cast<float>(blocks - 1) : 0.0F;
}

/// The two as settings.
template <typename Config>
[[nodiscard]] std::vector<RateOf<Config>> drop_rates() {
  return {
      {"dropout", &Config::dropout, 0.99F, "share of the head's inputs that a training step drops"},
      {"drop-path", &Config::drop_path, 0.99F,
       "share of images for which a training step drops the last block's branch; growing from 0 at the first block"}};
}

}  // namespace convmixer

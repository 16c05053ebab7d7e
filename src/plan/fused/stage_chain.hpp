/// Finds in a graph what fused plans can run: a stem, blocks of a depthwise and a pointwise convolution, a head.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/plan/plan_options.hpp"
#include "kernels/fused/stage_storage.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace convmixer {

/// A convolution with bias, its GELU or ReLU and its batch norm.
struct ConvolutionStage {
  std::string name;  ///< of the convolution
  std::string norm_name;
  Convolution convolution{};
  BatchNorm norm{};
  kernels::StageActivation activation = kernels::StageActivation::gelu;
  std::size_t in_channels = 0;
  std::size_t out_channels = 0;
};

/// y = x + norm(gelu(depthwise(x))), then y + norm(gelu(pointwise(y))); each sum or its second operand alone.
struct MixerBlock {
  ConvolutionStage depthwise;
  ConvolutionStage pointwise;
  bool depthwise_residual = true;   ///< whether x is added
  bool pointwise_residual = false;  ///< whether y is
};

/// Stem, blocks, mean over the pixels, linear classifier. All tensors after the stem have the same height and width.
struct StageChain {
  Shape image;  ///< (C, H, W)
  ConvolutionStage stem;
  std::vector<MixerBlock> blocks;
  std::size_t height = 0;
  std::size_t width = 0;
  std::string pool_name;
  std::string head_name;
  Linear head{};
  std::size_t classes = 0;
};

/// The graph as a chain, if that is all it is; else `why_not`, where given, is set to what it lacks: "'norm3' is no
/// ...". For inference, that drops nothing, Dropout and DropPath are as if they weren't there.
[[nodiscard]] std::optional<StageChain> find_stage_chain(const Graph& graph, std::string* why_not = nullptr,
                                                         PlanMode mode = PlanMode::training);

}  // namespace convmixer

/// What operations are measured for: the shapes of a network, a batch size, an element type.
#pragma once

#include "convmixer/model/model_config.hpp"
#include "convmixer/plan/plan_options.hpp"
#include "kernels/onednn/onednn.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace convmixer::perf {

/// Sizes of a network that has a patch embedding, depthwise and pointwise convolutions and a classifier.
struct NetworkShapes {
  int channels = 0;  ///< of the images
  int image_size = 0;
  int dim = 0;    ///< channels of the activations
  int depth = 0;  ///< depthwise convolutions
  int kernel_size = 0;
  int patch_size = 0;
  int classes = 0;
};

/// As they are in the model's graph. Throws Error (usage) for a model without such convolutions.
[[nodiscard]] NetworkShapes shapes_of(const ModelConfig& model);

struct Setting {
  std::string network;  ///< "256x8": dimension and depth
  ModelConfig model;
  std::int64_t batch = 64;
  kernels::ElementType type = kernels::ElementType::f32;
  LayoutPolicy layout = LayoutPolicy::automatic;

  [[nodiscard]] std::string precision() const { return type == kernels::ElementType::f32 ? "f32" : "bf16"; }
  [[nodiscard]] NetworkShapes shapes() const { return shapes_of(model); }
  /// (N, 3, H, W) of the images, (N, C, H / P, W / P) of everything up to the pooling.
  [[nodiscard]] Shape images() const;
  [[nodiscard]] Shape activations() const;
  [[nodiscard]] kernels::ConvolutionProblem patch_embedding() const;
  [[nodiscard]] kernels::ConvolutionProblem depthwise() const;
  [[nodiscard]] kernels::ConvolutionProblem pointwise() const;
};

/// "256x8", for a model's `network`.
[[nodiscard]] std::string network_name(const ModelConfig& model);

/// The three networks op_bench measures, in f32: ConvMixer-256/8 as in configs/cifar10-256x8.ini (kernel 5), a
/// ConvMixer-512/12 with kernel 9 on the same images, and ConvMixer-768/32 of the paper (arXiv 2201.09792: kernel 7,
/// patch 7, 224 x 224, 1,000 classes).
[[nodiscard]] std::vector<Setting> standard_settings();

}  // namespace convmixer::perf

/// What operations are measured for: the shapes of a network, a batch size, an element type.
#pragma once

#include "convmixer/model/convmixer.hpp"
#include "convmixer/plan/plan.hpp"
#include "kernels/onednn/onednn.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace convmixer::perf {

struct Setting {
  std::string network;  ///< "256x8": dimension and depth
  ConvMixerConfig model;
  std::int64_t batch = 64;
  kernels::ElementType type = kernels::ElementType::f32;
  LayoutPolicy layout = LayoutPolicy::automatic;

  [[nodiscard]] std::string precision() const { return type == kernels::ElementType::f32 ? "f32" : "bf16"; }
  /// (N, 3, H, W) of the images, (N, C, H / P, W / P) of everything up to the pooling.
  [[nodiscard]] Shape images() const;
  [[nodiscard]] Shape activations() const;
  [[nodiscard]] kernels::ConvolutionProblem patch_embedding() const;
  [[nodiscard]] kernels::ConvolutionProblem depthwise() const;
  [[nodiscard]] kernels::ConvolutionProblem pointwise() const;
};

/// The three networks op_bench measures, in f32: ConvMixer-256/8 as in configs/cifar10-256x8.ini (kernel 5), a
/// ConvMixer-512/12 with kernel 9 on the same images, and ConvMixer-768/32 of the paper (arXiv 2201.09792: kernel 7,
/// patch 7, 224 x 224, 1,000 classes).
[[nodiscard]] std::vector<Setting> standard_settings();

}  // namespace convmixer::perf

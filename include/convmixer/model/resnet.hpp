/// ResNet for small images as a graph.
#pragma once

#include "convmixer/graph/graph.hpp"
#include "convmixer/model/model_definition.hpp"

namespace convmixer {

/// He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", arXiv 1512.03385, section 4.2: the networks
/// for CIFAR-10, ResNet-20 to ResNet-110.
struct ResNetConfig {
  int layers = 20;         ///< with weights, 6 n + 2: n blocks of two for each of three sizes of image, stem and head
  int width = 16;          ///< channels at full size; twice and four times as many at a half and a quarter of it
  float dropout = 0.0F;    ///< of the head's input
  float drop_path = 0.0F;  ///< of the last block's branch; those before it have less, in proportion to their number
  int image_size = 32;     ///< height and width
  int channels = 3;
  int classes = 10;
};

/// 3x3 convolution -> batch norm -> ReLU; three stages of n blocks relu(x + BN(conv3(relu(BN(conv3(x)))))), the first
/// block of the second and third with stride 2, and a 1x1 convolution of stride 2 with batch norm on its shortcut (the
/// paper's option B); global average pool -> linear. No convolution has a bias.
///
/// Input (N, channels, image_size, image_size), output (N, classes). Parameters carry the names that torchvision's and
/// timm's ResNets have (`conv1.weight`, `layer2.0.conv1.weight`, `layer2.0.downsample.0.weight`, `fc.weight`), and
/// begin as torchvision's: convolutions from N(0, 2 / fan_out), fan_out = O KH KW (He et al., arXiv 1502.01852). Throws
/// Error (usage) naming the setting that is out of range.
[[nodiscard]] Graph make_resnet(const ResNetConfig& config);

/// What the registry has to know of it.
[[nodiscard]] ModelDefinition<ResNetConfig> resnet_definition();

}  // namespace convmixer

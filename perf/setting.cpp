#include "setting.hpp"

#include <fmt/format.h>

namespace convmixer::perf {

namespace {

Setting standard(int dim, int depth, int kernel, int patch, int image, int classes) {
  return {.network = fmt::format("{}x{}", dim, depth),
          .model = {.dim = dim,
                    .depth = depth,
                    .kernel_size = kernel,
                    .patch_size = patch,
                    .image_size = image,
                    .channels = 3,
                    .classes = classes}};
}

}  // namespace

Shape Setting::images() const { return {batch, model.channels, model.image_size, model.image_size}; }

Shape Setting::activations() const {
  const std::int64_t size = model.image_size / model.patch_size;
  return {batch, model.dim, size, size};
}

kernels::ConvolutionProblem Setting::patch_embedding() const {
  return {images(), activations(), model.patch_size, model.patch_size, 1, 0, 0, true};
}

kernels::ConvolutionProblem Setting::depthwise() const {
  // As Graph::convolution_same pads: an even kernel has one more at the end.
  const int padding = model.kernel_size - 1;
  return {activations(), activations(), model.kernel_size, 1, model.dim, padding / 2, padding - padding / 2, true};
}

kernels::ConvolutionProblem Setting::pointwise() const { return {activations(), activations(), 1, 1, 1, 0, 0, true}; }

std::vector<Setting> standard_settings() {
  return {standard(256, 8, 5, 2, 32, 10), standard(512, 12, 9, 2, 32, 10), standard(768, 32, 7, 7, 224, 1000)};
}

}  // namespace convmixer::perf

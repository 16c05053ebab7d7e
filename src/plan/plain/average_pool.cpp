#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Role;

// y[n, c] = mean over h, w of x[n, c, h, w]. dx[n, c, h, w] = dy[n, c] / (H W).
//
// Pooling and the classifier are f32 in every plan, up to the last norm's gradient. They are 1/10,000 of the work, and
// the gradient is constant over an image's pixels: rounded to bf16, its error would be too, and would not average out.

namespace {

/// (N, C, 1, 1) f32 in the order of an image tensor.
Layout pooled_like(const Layout& image) {
  return {Shape{image.shape()[0], image.shape()[1], 1, 1}, ElementType::f32, image.format()};
}

}  // namespace

void forward(Builder& builder, const GlobalAveragePool& /*pool*/) {
  const BufferId src = builder.in_type(builder.value(builder.input()), ElementType::f32);
  const Layout image = builder.layout(src);
  const Layout pooled = pooled_like(image);
  const BufferId dst = builder.add_buffer(pooled);
  builder.add_step("average pool", "forward",
                   kernels::average_pool_forward(builder.runtime(), image, pooled, builder.training()), image,
                   {{Role::src, src}, {Role::dst, dst}});
  const BufferId plain = builder.convert(dst, Layout(pooled.shape(), ElementType::f32, Format::plain));
  builder.set_value(builder.output(), builder.add_view(plain, builder.batch_shape(builder.output())));
}

void backward(Builder& builder, const GlobalAveragePool& /*pool*/) {
  const Layout value = builder.layout(builder.value(builder.input()));
  const Layout image(value.shape(), ElementType::f32, value.format());
  const Layout pooled = pooled_like(image);
  const BufferId diff_dst = builder.convert(builder.add_view(builder.output_gradient(), pooled.shape()), pooled);
  const BufferId diff_src = builder.add_buffer(image);
  builder.add_step("average pool", "backward", kernels::average_pool_backward(builder.runtime(), image, pooled), image,
                   {{Role::diff_src, diff_src}, {Role::diff_dst, diff_dst}});
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace convmixer

#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Role;

// y = x Phi(x) with Phi the normal distribution's, by erf: Hendrycks & Gimpel, arXiv 1606.08415.
// dx = dy (Phi(x) + x phi(x)), from x, which is f32 in every plan.

void forward(Builder& builder, const Gelu& /*gelu*/) {
  const BufferId src = builder.in_type(builder.value(builder.input()), ElementType::f32);
  builder.set_value(builder.input(), src);
  const kernels::Layout layout = builder.layout(src);
  const BufferId dst = builder.add_buffer(layout);
  builder.set_value(builder.output(), dst);
  builder
      .add_step("GELU", "forward", kernels::gelu_forward(builder.runtime(), layout, builder.training()), layout,
                {{Role::src, src}, {Role::dst, dst}})
      .may_overwrite = {src, dst};
}

void backward(Builder& builder, const Gelu& /*gelu*/) {
  const BufferId src = builder.value(builder.input());
  const kernels::Layout layout = builder.layout(src);
  const BufferId diff_dst = builder.convert(builder.output_gradient(), layout);
  const BufferId diff_src = builder.add_buffer(layout);
  builder
      .add_step("GELU", "backward", kernels::gelu_backward(builder.runtime(), layout), layout,
                {{Role::src, src}, {Role::diff_dst, diff_dst}, {Role::diff_src, diff_src}})
      .may_overwrite = {diff_dst, diff_src};
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace convmixer

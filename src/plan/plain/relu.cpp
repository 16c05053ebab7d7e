#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::Layout;
using kernels::Role;

// y = max(x, 0). dx = dy where y > 0, else 0: from y, so that forward may overwrite x.
//
// In the type that its input has: nothing is rounded that wasn't before.

void forward(Builder& builder, const Relu& /*relu*/) {
  const BufferId src = builder.value(builder.input());
  const Layout layout = builder.layout(src);
  const BufferId dst = builder.add_buffer(layout);
  builder.set_value(builder.output(), dst);
  builder
      .add_step("ReLU", "forward", kernels::relu_forward(builder.runtime(), layout, builder.training()), layout,
                {{Role::src, src}, {Role::dst, dst}})
      .may_overwrite = {src, dst};
}

void backward(Builder& builder, const Relu& /*relu*/) {
  const BufferId dst = builder.value(builder.output());
  const Layout layout = builder.layout(dst);
  const BufferId diff_dst = builder.convert(builder.output_gradient(), layout);
  const BufferId diff_src = builder.add_buffer(layout);
  builder
      .add_step("ReLU", "backward", kernels::relu_backward(builder.runtime(), layout), layout,
                {{Role::dst, dst}, {Role::diff_dst, diff_dst}, {Role::diff_src, diff_src}})
      .may_overwrite = {diff_dst, diff_src};
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace convmixer

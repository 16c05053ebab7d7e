#include "kernels/plain/gelu.hpp"

#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"
#include "plan/plain/product_operands.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Layout;
using kernels::Role;

// y = x Phi(x) with Phi the normal distribution's, by erf: Hendrycks & Gimpel, arXiv 1606.08415.
// dx = dy (Phi(x) + x phi(x)), from x, which is f32 in every plan.
//
// Of images by oneDNN's: a norm follows, which reads f32. Of tokens by a kernel that writes what type the products want
// that come next.

namespace {

struct GeluForward {
  const float* src;
  void* dst;
};

struct GeluBackward {
  const float* src;
  const void* diff_dst;
  void* diff_src;
};

bool takes_kernel(const Builder& builder) { return has_tokens(builder, builder.input()) && !builder.onednn_alone(); }

void forward_of_tokens(Builder& builder, BufferId src) {
  const Layout layout = builder.layout(src);
  const ElementType type = token_type(builder, builder.output());
  const BufferId dst = builder.add_buffer(Layout(layout.shape(), type, layout.format()));
  builder.set_value(builder.output(), dst);
  KernelOperands<GeluForward> operands(builder);
  operands.bind(&GeluForward::src, src).bind(&GeluForward::dst, dst);
  builder
      .add_step("GELU", "forward", layout,
                operands.call(
                    [&runtime = builder.runtime(), count = layout.shape().count(), type](const GeluForward& memory) {
                      kernels::gelu(runtime, count, memory.src, {memory.dst, type});
                    }))
      .may_overwrite = {src, dst};
}

void backward_of_tokens(Builder& builder, BufferId src) {
  const Layout layout = builder.layout(src);
  const BufferId diff_dst = builder.output_gradient();
  const ElementType given = builder.layout(diff_dst).type();
  const ElementType type = gradient_type(builder, builder.input(), diff_dst);
  const BufferId diff_src = builder.add_buffer(Layout(layout.shape(), type, layout.format()));
  KernelOperands<GeluBackward> operands(builder);
  operands.bind(&GeluBackward::src, src)
      .bind(&GeluBackward::diff_dst, diff_dst)
      .bind(&GeluBackward::diff_src, diff_src);
  builder
      .add_step("GELU", "backward", layout,
                operands.call([&runtime = builder.runtime(), count = layout.shape().count(), given,
                               type](const GeluBackward& memory) {
                  kernels::gelu_gradient(runtime, count, memory.src, {memory.diff_dst, given}, {memory.diff_src, type});
                }))
      .may_overwrite = {diff_dst, diff_src};
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace

void forward(Builder& builder, const Gelu& /*gelu*/) {
  const BufferId src = builder.in_type(builder.value(builder.input()), ElementType::f32);
  builder.set_value(builder.input(), src);
  if (takes_kernel(builder)) return forward_of_tokens(builder, src);
  const Layout layout = builder.layout(src);
  const BufferId dst = builder.add_buffer(layout);
  builder.set_value(builder.output(), dst);
  builder
      .add_step("GELU", "forward", kernels::gelu_forward(builder.runtime(), layout, builder.training()), layout,
                {{Role::src, src}, {Role::dst, dst}})
      .may_overwrite = {src, dst};
}

void backward(Builder& builder, const Gelu& /*gelu*/) {
  const BufferId src = builder.value(builder.input());
  if (takes_kernel(builder)) return backward_of_tokens(builder, src);
  const Layout layout = builder.layout(src);
  const BufferId diff_dst = builder.convert(builder.output_gradient(), layout);
  const BufferId diff_src = builder.add_buffer(layout);
  builder
      .add_step("GELU", "backward", kernels::gelu_backward(builder.runtime(), layout), layout,
                {{Role::src, src}, {Role::diff_dst, diff_dst}, {Role::diff_src, diff_src}})
      .may_overwrite = {diff_dst, diff_src};
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace convmixer

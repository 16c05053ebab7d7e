#include "kernels/plain/attention.hpp"

#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"
#include "plan/plain/product_operands.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;

// With q, k, v (T, F) of each of H heads, F = D / H, side by side in x (N, T, 3 D): y = softmax(q k^T / sqrt(F)) v,
// heads side by side again in (N, T, D). Its gradient: kernels/plain/attention.hpp.

namespace {

struct AttentionForward {
  const void* qkv;
  void* dst;
  float* log_sums;
  double* working;
};

struct AttentionBackward {
  const void* qkv;
  const void* diff_dst;
  const float* log_sums;
  void* diff_qkv;
  double* working;
};

kernels::AttentionShape shape_of(const Builder& builder, const Attention& attention) {
  const Shape shape = builder.batch_shape(builder.output());
  return {shape[0], shape[1], attention.heads, shape[2] / attention.heads};
}

}  // namespace

void forward(Builder& builder, const Attention& attention) {
  const kernels::AttentionShape shape = shape_of(builder, attention);
  const BufferId qkv = builder.in_type(builder.value(builder.input()), builder.type());
  const Layout layout(builder.batch_shape(builder.output()), token_type(builder, builder.output()), Format::plain);
  const BufferId dst = builder.add_buffer(layout);
  builder.set_value(builder.output(), dst);
  const BufferId log_sums =
      builder.add_buffer(Layout(Shape{shape.images, shape.heads, shape.tokens}, ElementType::f32, Format::plain));
  builder.kept() = {qkv, log_sums};
  KernelOperands<AttentionForward> operands(builder);
  operands.bind(&AttentionForward::qkv, qkv)
      .bind(&AttentionForward::dst, dst)
      .bind(&AttentionForward::log_sums, log_sums)
      .bind(&AttentionForward::working,
            builder.add_working_memory(kernels::attention_doubles(builder.runtime(), shape)));
  builder.add_step(
      "attention", "forward", layout,
      operands.call([&runtime = builder.runtime(), shape, from = builder.layout(qkv).type(),
                     to = layout.type()](const AttentionForward& memory) {
        kernels::attention(runtime, shape, {memory.qkv, from}, {memory.dst, to}, memory.log_sums, memory.working);
      }));
}

void backward(Builder& builder, const Attention& attention) {
  const kernels::AttentionShape shape = shape_of(builder, attention);
  const BufferId qkv = builder.kept()[0];
  const BufferId diff_dst = builder.output_gradient();
  const ElementType type = gradient_type(builder, builder.input(), diff_dst);
  const BufferId diff_qkv = builder.add_buffer(Layout(builder.batch_shape(builder.input()), type, Format::plain));
  KernelOperands<AttentionBackward> operands(builder);
  operands.bind(&AttentionBackward::qkv, qkv)
      .bind(&AttentionBackward::diff_dst, diff_dst)
      .bind(&AttentionBackward::log_sums, builder.kept()[1])
      .bind(&AttentionBackward::diff_qkv, diff_qkv)
      .bind(&AttentionBackward::working,
            builder.add_working_memory(kernels::attention_doubles(builder.runtime(), shape)));
  builder.add_step("attention", "backward", builder.layout(diff_qkv),
                   operands.call([&runtime = builder.runtime(), shape, from = builder.layout(qkv).type(),
                                  given = builder.layout(diff_dst).type(), type](const AttentionBackward& memory) {
                     kernels::attention_gradient(runtime, shape, {memory.qkv, from}, {memory.diff_dst, given},
                                                 memory.log_sums, {memory.diff_qkv, type}, memory.working);
                   }));
  builder.add_gradient(builder.input(), diff_qkv);
}

}  // namespace convmixer

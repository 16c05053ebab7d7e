#include "kernels/plain/attention.hpp"

#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"
#include "plan/plain/product_operands.hpp"

#include <cmath>

namespace convmixer {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Role;

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

// By oneDNN the heads are taken apart first, as (N, H, T, F) each: with S = q k^T / sqrt(F) and P = softmax(S), y = P
// v;
//   dv = P^T dy,  dP = dy v^T,  dS = P (dP - sum over a row of P dP),  dq = dS k / sqrt(F),  dk = dS^T q / sqrt(F).

/// Number `part` of `parts` that lie side by side in each token, by heads and dense.
BufferId heads_of(Builder& builder, BufferId tokens, const Attention& attention, int parts, int part,
                  ElementType type) {
  const Layout heads = kernels::heads_of(builder.layout(tokens), attention.heads, parts, part);
  return builder.convert(builder.add_view(tokens, heads), Layout(heads.shape(), type, Format::plain));
}

BufferId transposed(Builder& builder, BufferId matrices) {
  return builder.add_view(matrices, kernels::transposed(builder.layout(matrices)));
}

/// a b of each head, in f32.
BufferId add_products(Builder& builder, const char* direction, BufferId a, BufferId b) {
  const Shape& left = builder.layout(a).shape();
  const Layout layout(Shape{left[0], left[1], left[2], builder.layout(b).shape()[3]}, ElementType::f32, Format::plain);
  const BufferId dst = builder.add_buffer(layout);
  builder.add_step("attention product", direction,
                   kernels::matrix_products(builder.runtime(), builder.layout(a), builder.layout(b), layout), layout,
                   {{Role::src, a}, {Role::weights, b}, {Role::dst, dst}});
  return dst;
}

/// Divided by the root of a head's features.
BufferId add_scale(Builder& builder, const char* direction, BufferId scores, std::int64_t features) {
  const Layout layout = builder.layout(scores);
  const auto factor = static_cast<float>(1.0 / std::sqrt(static_cast<double>(features)));
  const BufferId scaled = builder.add_buffer(layout);
  builder
      .add_step("attention scale", direction, kernels::scale_and_shift(builder.runtime(), layout, factor, 0.0F), layout,
                {{Role::src, scores}, {Role::dst, scaled}})
      .may_overwrite = {scores, scaled};
  return scaled;
}

void forward_by_onednn(Builder& builder, const Attention& attention) {
  const ElementType type = builder.type();
  const BufferId qkv = builder.in_type(builder.value(builder.input()), type);
  const BufferId q = heads_of(builder, qkv, attention, 3, 0, type);
  const BufferId k = heads_of(builder, qkv, attention, 3, 1, type);
  const BufferId v = heads_of(builder, qkv, attention, 3, 2, type);
  const BufferId products = add_products(builder, "forward", q, transposed(builder, k));
  const BufferId scores = add_scale(builder, "forward", products, builder.layout(q).shape()[3]);
  const Layout layout = builder.layout(scores);
  const BufferId shares = builder.add_buffer(layout);
  builder
      .add_step("softmax", "forward", kernels::softmax_forward(builder.runtime(), layout, builder.training()), layout,
                {{Role::src, scores}, {Role::dst, shares}})
      .may_overwrite = {scores, shares};
  const BufferId heads = add_products(builder, "forward", builder.in_type(shares, type), v);
  const Layout tokens(builder.batch_shape(builder.output()), token_type(builder, builder.output()), Format::plain);
  const BufferId dst = builder.add_buffer(tokens);
  builder.add_reorder(heads, builder.add_view(dst, kernels::heads_of(tokens, attention.heads, 1, 0)));
  builder.set_value(builder.output(), dst);
  builder.kept() = {q, k, v, shares};
}

void backward_by_onednn(Builder& builder, const Attention& attention) {
  const ElementType type = builder.type();
  const BufferId q = builder.kept()[0];
  const BufferId k = builder.kept()[1];
  const BufferId v = builder.kept()[2];
  const BufferId shares = builder.kept()[3];
  const Layout layout = builder.layout(shares);
  const BufferId given = builder.output_gradient();
  const BufferId diff_heads = heads_of(builder, given, attention, 1, 0, type);
  const BufferId diff_v =
      add_products(builder, "backward", transposed(builder, builder.in_type(shares, type)), diff_heads);
  const BufferId diff_shares = add_products(builder, "backward", diff_heads, transposed(builder, v));
  const BufferId diff_scores = builder.add_buffer(layout);
  builder
      .add_step("softmax", "backward", kernels::softmax_backward(builder.runtime(), layout), layout,
                {{Role::dst, shares}, {Role::diff_dst, diff_shares}, {Role::diff_src, diff_scores}})
      .may_overwrite = {diff_shares, diff_scores};
  const std::int64_t features = builder.layout(q).shape()[3];
  const BufferId scaled = builder.in_type(add_scale(builder, "backward", diff_scores, features), type);
  const BufferId diff_q = add_products(builder, "backward", scaled, k);
  const BufferId diff_k = add_products(builder, "backward", transposed(builder, scaled), q);
  const Layout tokens(builder.batch_shape(builder.input()), gradient_type(builder, builder.input(), given),
                      Format::plain);
  const BufferId diff_qkv = builder.add_buffer(tokens);
  int part = 0;
  for (const BufferId diff : {diff_q, diff_k, diff_v}) {
    builder.add_reorder(diff, builder.add_view(diff_qkv, kernels::heads_of(tokens, attention.heads, 3, part++)));
  }
  builder.add_gradient(builder.input(), diff_qkv);
}

}  // namespace

void forward(Builder& builder, const Attention& attention) {
  if (builder.onednn_alone()) return forward_by_onednn(builder, attention);
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
  if (builder.onednn_alone()) return backward_by_onednn(builder, attention);
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

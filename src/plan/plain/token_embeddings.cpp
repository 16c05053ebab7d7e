#include "kernels/plain/token_rows.hpp"
#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Role;

// Position embedding: y[n, t, d] = x[n, t, d] + p[t, d]; dx = dy, dp[t, d] = sum over n of dy[n, t, d].
// Class token: y[n, 0, d] = c[d], y[n, t + 1, d] = x[n, t, d]; dx[n, t, d] = dy[n, t + 1, d],
// dc[d] = sum over n of dy[n, 0, d].
// f32 in every plan: what follows is a norm, or the sum of all residual branches.

namespace {

struct EmbeddingArguments {
  const float* src;
  const float* parameter;
  float* dst;
};

struct GradientArguments {
  const float* diff_dst;
  float* result;
};

kernels::TokenShape shape_of(const Builder& builder, TensorId tensor) {
  const Shape shape = builder.batch_shape(tensor);
  return {shape[0], shape[1], shape[2]};
}

Layout layout_of(const Builder& builder, TensorId tensor) {
  return {builder.batch_shape(tensor), ElementType::f32, Format::plain};
}

/// y of either, by `kernel`(runtime, shape of x, arguments).
template <typename Kernel>
void add_embedding(Builder& builder, const char* operation, ParameterId parameter, const Kernel& kernel) {
  const BufferId src = builder.in_type(builder.value(builder.input()), ElementType::f32);
  const BufferId dst = builder.add_buffer(layout_of(builder, builder.output()));
  builder.set_value(builder.output(), dst);
  KernelOperands<EmbeddingArguments> operands(builder);
  operands.bind(&EmbeddingArguments::src, src)
      .bind(&EmbeddingArguments::parameter, builder.add_fixed(builder.parameters().value(parameter)))
      .bind(&EmbeddingArguments::dst, dst);
  builder
      .add_step(operation, "forward", builder.layout(dst),
                operands.call([&runtime = builder.runtime(), shape = shape_of(builder, builder.input()),
                               kernel](const EmbeddingArguments& memory) { kernel(runtime, shape, memory); }))
      .may_overwrite = {src, dst};
}

/// Tokens [begin, begin + count) of (N, T, D): the same memory.
BufferId part_of(Builder& builder, BufferId tokens, std::int64_t begin, std::int64_t count) {
  const Layout layout = builder.layout(tokens);
  const Shape& shape = layout.shape();
  return builder.add_view(tokens, kernels::part_of(layout, {shape[0], count, shape[2]}, {0, begin, 0}));
}

/// The same, by themselves.
BufferId add_copy_of_part(Builder& builder, BufferId tokens, std::int64_t begin, std::int64_t count) {
  const BufferId part = part_of(builder, tokens, begin, count);
  return builder.convert(part, Layout(builder.layout(part).shape(), ElementType::f32, Format::plain));
}

/// y[n, t, d] = x[n, t, d] + p[t, d], or p[0, d].
BufferId add_to_all(Builder& builder, const char* operation, BufferId src, BufferId parameter) {
  const Layout layout = builder.layout(src);
  const BufferId dst = builder.add_buffer(layout);
  builder
      .add_step(operation, "forward", kernels::broadcast_add(builder.runtime(), layout, builder.layout(parameter)),
                layout, {{Role::src, src}, {Role::second, parameter}, {Role::dst, dst}})
      .may_overwrite = {src, dst};
  return dst;
}

/// A parameter, or its gradient, as tokens (1, T, D).
BufferId add_parameter(Builder& builder, std::span<float> values, std::int64_t tokens) {
  return builder.add_fixed(values, {1, tokens, static_cast<std::int64_t>(values.size()) / tokens});
}

void add_sum_over_images(Builder& builder, const char* operation, BufferId diff_dst, BufferId gradient) {
  const Layout layout = builder.layout(diff_dst);
  builder.add_step(operation, "backward weights",
                   kernels::reduce_sum(builder.runtime(), layout, builder.layout(gradient)), layout,
                   {{Role::src, diff_dst}, {Role::dst, gradient}});
}

/// By oneDNN: what repeats the token for each image is a sum with zeros, which any values times 0 are.
void prepend_by_onednn(Builder& builder, const ClassToken& token) {
  const BufferId src = builder.in_type(builder.value(builder.input()), ElementType::f32);
  const std::int64_t tokens = builder.layout(src).shape()[1];
  const BufferId any = add_copy_of_part(builder, src, 0, 1);
  const Layout first = builder.layout(any);
  const BufferId zeros = builder.add_buffer(Layout(first.shape(), ElementType::f32, Format::plain));
  builder.add_step("class token", "forward", kernels::scale_and_shift(builder.runtime(), first, 0.0F, 0.0F), first,
                   {{Role::src, any}, {Role::dst, zeros}});
  const BufferId repeated =
      add_to_all(builder, "class token", zeros, add_parameter(builder, builder.parameters().value(token.token), 1));
  const BufferId dst = builder.add_buffer(layout_of(builder, builder.output()));
  builder.add_reorder(repeated, part_of(builder, dst, 0, 1));
  builder.add_reorder(src, part_of(builder, dst, 1, tokens));
  builder.set_value(builder.output(), dst);
}

/// The gradient of the parameter: of the first `tokens` tokens.
void add_parameter_gradient(Builder& builder, const char* operation, ParameterId parameter, std::int64_t tokens,
                            BufferId diff_dst) {
  if (builder.onednn_alone()) {
    const BufferId gradient = add_parameter(builder, builder.parameters().gradient(parameter), tokens);
    return add_sum_over_images(builder, operation, add_copy_of_part(builder, diff_dst, 0, tokens), gradient);
  }
  KernelOperands<GradientArguments> operands(builder);
  operands.bind(&GradientArguments::diff_dst, diff_dst)
      .bind(&GradientArguments::result, builder.add_fixed(builder.parameters().gradient(parameter)));
  builder.add_step(operation, "backward weights", builder.layout(diff_dst),
                   operands.call([&runtime = builder.runtime(), shape = shape_of(builder, builder.output()),
                                  tokens](const GradientArguments& memory) {
                     kernels::sum_over_images(runtime, shape, tokens, memory.diff_dst, memory.result);
                   }));
}

}  // namespace

void forward(Builder& builder, const PositionEmbedding& embedding) {
  if (builder.onednn_alone()) {
    const BufferId src = builder.in_type(builder.value(builder.input()), ElementType::f32);
    const BufferId position =
        add_parameter(builder, builder.parameters().value(embedding.position), builder.layout(src).shape()[1]);
    return builder.set_value(builder.output(), add_to_all(builder, "position embedding", src, position));
  }
  add_embedding(builder, "position embedding", embedding.position,
                [](kernels::Runtime& runtime, const kernels::TokenShape& shape, const EmbeddingArguments& memory) {
                  kernels::add_to_each_image(runtime, shape, memory.src, memory.parameter, memory.dst);
                });
}

void backward(Builder& builder, const PositionEmbedding& embedding) {
  const BufferId diff_dst = builder.in_type(builder.output_gradient(), ElementType::f32);
  add_parameter_gradient(builder, "position embedding", embedding.position, builder.batch_shape(builder.output())[1],
                         diff_dst);
  builder.add_gradient(builder.input(), diff_dst);
}

void forward(Builder& builder, const ClassToken& token) {
  if (builder.onednn_alone()) return prepend_by_onednn(builder, token);
  add_embedding(builder, "class token", token.token,
                [](kernels::Runtime& runtime, const kernels::TokenShape& shape, const EmbeddingArguments& memory) {
                  kernels::prepend_token(runtime, shape, memory.parameter, memory.src, memory.dst);
                });
}

void backward(Builder& builder, const ClassToken& token) {
  const BufferId diff_dst = builder.in_type(builder.output_gradient(), ElementType::f32);
  add_parameter_gradient(builder, "class token", token.token, 1, diff_dst);
  if (!builder.wants_gradient(builder.input())) return;
  const Layout layout = layout_of(builder, builder.input());
  if (builder.onednn_alone()) {
    return builder.add_gradient(builder.input(), add_copy_of_part(builder, diff_dst, 1, layout.shape()[1]));
  }
  const BufferId diff_src = builder.add_buffer(layout);
  KernelOperands<GradientArguments> operands(builder);
  operands.bind(&GradientArguments::diff_dst, diff_dst).bind(&GradientArguments::result, diff_src);
  builder.add_step("class token", "backward data", layout,
                   operands.call([&runtime = builder.runtime(),
                                  shape = shape_of(builder, builder.output())](const GradientArguments& memory) {
                     kernels::drop_first_token(runtime, shape, memory.diff_dst, memory.result);
                   }));
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace convmixer

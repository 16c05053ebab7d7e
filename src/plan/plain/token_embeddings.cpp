#include "kernels/plain/token_rows.hpp"
#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;

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

/// The gradient of the parameter: of the first `tokens` tokens.
void add_parameter_gradient(Builder& builder, const char* operation, ParameterId parameter, std::int64_t tokens,
                            BufferId diff_dst) {
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

#include "kernels/plain/token_rows.hpp"
#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Role;

// y[n, d] = mean over t in [begin, end) of x[n, t, d]; dx[n, t, d] = dy[n, d] / (end - begin) for those, else 0. f32 in
// every plan, as what reads it (see average_pool.cpp).

namespace {

struct MeanArguments {
  const float* src;
  float* dst;
};

kernels::TokenShape shape_of(const Builder& builder, TensorId tensor) {
  const Shape shape = builder.batch_shape(tensor);
  return {shape[0], shape[1], shape[2]};
}

/// Tokens (N, T, D) as an image of T rows, one wide: what oneDNN's pooling takes the mean of.
Layout image_of(std::int64_t images, std::int64_t tokens, std::int64_t features) {
  return {Shape{images, features, tokens, 1}, ElementType::f32, Format::channels_last};
}

/// Those of the tokens that count: the same memory.
BufferId part_of(Builder& builder, BufferId tokens, const TokenMean& mean) {
  const Layout layout = builder.layout(tokens);
  const Shape& shape = layout.shape();
  return builder.add_view(tokens,
                          kernels::part_of(layout, {shape[0], mean.end - mean.begin, shape[2]}, {0, mean.begin, 0}));
}

void forward_by_onednn(Builder& builder, const TokenMean& mean) {
  const BufferId src = builder.in_type(builder.value(builder.input()), ElementType::f32);
  const Shape shape = builder.layout(src).shape();
  const BufferId part = part_of(builder, src, mean);
  const BufferId counted = builder.convert(part, Layout(builder.layout(part).shape(), ElementType::f32, Format::plain));
  const Layout image = image_of(shape[0], mean.end - mean.begin, shape[2]);
  const Layout pooled = image_of(shape[0], 1, shape[2]);
  const BufferId dst = builder.add_buffer(pooled);
  builder.add_step("token mean", "forward",
                   kernels::average_pool_forward(builder.runtime(), image, pooled, builder.training()), image,
                   {{Role::src, builder.add_view(counted, image)}, {Role::dst, dst}});
  builder.set_value(builder.output(), builder.add_view(dst, builder.batch_shape(builder.output())));
}

/// The other tokens' gradient is 0, which any values times 0 are.
void backward_by_onednn(Builder& builder, const TokenMean& mean) {
  const BufferId given = builder.in_type(builder.output_gradient(), ElementType::f32);
  const Layout layout(builder.batch_shape(builder.input()), ElementType::f32, Format::plain);
  const Shape& shape = layout.shape();
  const std::int64_t count = mean.end - mean.begin;
  const Layout image = image_of(shape[0], count, shape[2]);
  const Layout pooled = image_of(shape[0], 1, shape[2]);
  const BufferId counted =
      builder.add_buffer(Layout(Shape{shape[0], count, shape[2]}, ElementType::f32, Format::plain));
  builder.add_step(
      "token mean", "backward", kernels::average_pool_backward(builder.runtime(), image, pooled), image,
      {{Role::diff_src, builder.add_view(counted, image)}, {Role::diff_dst, builder.add_view(given, pooled)}});
  if (count == shape[1]) return builder.add_gradient(builder.input(), counted);
  const BufferId diff_src = builder.add_buffer(layout);
  const BufferId value = builder.in_type(builder.value(builder.input()), ElementType::f32);
  builder.add_step("token mean", "backward", kernels::scale_and_shift(builder.runtime(), layout, 0.0F, 0.0F), layout,
                   {{Role::src, value}, {Role::dst, diff_src}});
  builder.add_reorder(counted, part_of(builder, diff_src, mean));
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace

void forward(Builder& builder, const TokenMean& mean) {
  if (builder.onednn_alone()) return forward_by_onednn(builder, mean);
  const BufferId src = builder.in_type(builder.value(builder.input()), ElementType::f32);
  const Layout layout(builder.batch_shape(builder.output()), ElementType::f32, Format::plain);
  const BufferId dst = builder.add_buffer(layout);
  builder.set_value(builder.output(), dst);
  KernelOperands<MeanArguments> operands(builder);
  operands.bind(&MeanArguments::src, src).bind(&MeanArguments::dst, dst);
  builder.add_step("token mean", "forward", builder.layout(src),
                   operands.call([&runtime = builder.runtime(), shape = shape_of(builder, builder.input()),
                                  mean](const MeanArguments& memory) {
                     kernels::token_mean(runtime, shape, mean.begin, mean.end, memory.src, memory.dst);
                   }));
}

void backward(Builder& builder, const TokenMean& mean) {
  if (builder.onednn_alone()) return backward_by_onednn(builder, mean);
  const BufferId diff_dst = builder.in_type(builder.output_gradient(), ElementType::f32);
  const Layout layout(builder.batch_shape(builder.input()), ElementType::f32, Format::plain);
  const BufferId diff_src = builder.add_buffer(layout);
  KernelOperands<MeanArguments> operands(builder);
  operands.bind(&MeanArguments::src, diff_dst).bind(&MeanArguments::dst, diff_src);
  builder.add_step("token mean", "backward", layout,
                   operands.call([&runtime = builder.runtime(), shape = shape_of(builder, builder.input()),
                                  mean](const MeanArguments& memory) {
                     kernels::token_mean_gradient(runtime, shape, mean.begin, mean.end, memory.src, memory.dst);
                   }));
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace convmixer

#include "kernels/plain/token_rows.hpp"
#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;

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

}  // namespace

void forward(Builder& builder, const TokenMean& mean) {
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

#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Role;

// y = x W^T + b with x (N, I), W (O, I), y (N, O); all f32 in every plan (see average_pool.cpp).
// dW = dy^T x, db[o] = sum over n of dy[n, o], dx = dy W.

namespace {

const Shape& weight_shape(const Builder& builder, const Linear& linear) {
  return builder.graph().parameters()[static_cast<std::size_t>(linear.weight)].shape;
}

/// In the layout that a primitive wants.
BufferId weights_as(Builder& builder, const Linear& linear, const Layout& wanted) {
  return builder.convert(builder.add_fixed(builder.parameters().value(linear.weight), weight_shape(builder, linear)),
                         wanted);
}

void backward_weights(Builder& builder, const Linear& linear) {
  const BufferId src = builder.value(builder.input());
  const BufferId diff_dst = builder.output_gradient();
  const auto planned =
      kernels::linear_backward_weights(builder.runtime(), builder.layout(src), builder.layout(diff_dst));
  const BufferId gradient =
      builder.add_fixed(builder.parameters().gradient(linear.weight), weight_shape(builder, linear));
  const BufferId diff_weights = builder.begin_weight_gradient(gradient, planned.weights);
  builder.add_step("linear", "backward weights", planned.primitive, builder.layout(src),
                   {{Role::src, src},
                    {Role::diff_weights, diff_weights},
                    {Role::diff_bias, builder.add_fixed(builder.parameters().gradient(linear.bias))},
                    {Role::diff_dst, diff_dst}});
  builder.finish_weight_gradient(diff_weights, gradient);
}

void backward_data(Builder& builder, const Linear& linear) {
  const BufferId diff_dst = builder.output_gradient();
  const Layout src = builder.layout(builder.value(builder.input()));
  const auto planned = kernels::linear_backward_data(builder.runtime(), src, builder.layout(diff_dst));
  const BufferId weights = weights_as(builder, linear, planned.weights);
  const BufferId diff_src = builder.add_buffer(src);
  builder.add_step("linear", "backward data", planned.primitive, src,
                   {{Role::diff_src, diff_src}, {Role::weights, weights}, {Role::diff_dst, diff_dst}});
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace

void forward(Builder& builder, const Linear& linear) {
  const BufferId src = builder.value(builder.input());
  const Layout dst_layout(builder.batch_shape(builder.output()), ElementType::f32, Format::plain);
  const auto planned = kernels::linear_forward(builder.runtime(), builder.layout(src), dst_layout, builder.training());
  const BufferId weights = weights_as(builder, linear, planned.weights);
  const BufferId dst = builder.add_buffer(dst_layout);
  builder.set_value(builder.output(), dst);
  builder.add_step("linear", "forward", planned.primitive, builder.layout(src),
                   {{Role::src, src},
                    {Role::weights, weights},
                    {Role::bias, builder.add_fixed(builder.parameters().value(linear.bias))},
                    {Role::dst, dst}});
}

void backward(Builder& builder, const Linear& linear) {
  backward_weights(builder, linear);
  if (builder.wants_gradient(builder.input())) backward_data(builder, linear);
}

}  // namespace convmixer

#include "plan/plain/operations.hpp"
#include "plan/plain/product_operands.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Role;

// y = x W^T + b with x (M, I), W (O, I), y (M, O). dW = dy^T x, db[o] = sum over m of dy[m, o], dx = dy W. M = N for
// what is left of images, which is f32 in every plan (see average_pool.cpp), the classifier among it; M = N T for
// tokens, whose operands are in the plan's type.

namespace {

const Shape& weight_shape(const Builder& builder, const Linear& linear) {
  return builder.graph().parameters()[static_cast<std::size_t>(linear.weight)].shape;
}

/// In the layout that a primitive wants.
BufferId weights_as(Builder& builder, const Linear& linear, const Layout& wanted) {
  return builder.convert(builder.add_fixed(builder.parameters().value(linear.weight), weight_shape(builder, linear)),
                         wanted);
}

ElementType operand_type(const Builder& builder) {
  return has_tokens(builder, builder.input()) ? builder.type() : ElementType::f32;
}

/// (M, features), row-major.
Shape rows_of(const Builder& builder, TensorId tensor) {
  const Shape shape = builder.batch_shape(tensor);
  const std::int64_t features = shape[shape.rank() - 1];
  return {shape.count() / features, features};
}

/// A tensor's buffer as such rows.
BufferId as_rows(Builder& builder, TensorId tensor, BufferId buffer) {
  if (!has_tokens(builder, tensor)) return buffer;
  return builder.add_view(buffer, rows_of(builder, tensor));
}

/// The other way round.
BufferId as_tensor(Builder& builder, TensorId tensor, BufferId rows) {
  if (!has_tokens(builder, tensor)) return rows;
  return builder.add_view(rows, builder.batch_shape(tensor));
}

void backward_weights(Builder& builder, const Linear& linear, BufferId src, BufferId diff_dst) {
  const bool with_bias = linear.bias != kNoParameter;
  const auto planned =
      kernels::linear_backward_weights(builder.runtime(), builder.layout(src), builder.layout(diff_dst), with_bias);
  const BufferId gradient =
      builder.add_fixed(builder.parameters().gradient(linear.weight), weight_shape(builder, linear));
  const BufferId diff_weights = builder.begin_weight_gradient(gradient, planned.weights);
  std::vector<PrimitiveStep::Operand> operands{
      {Role::src, src}, {Role::diff_weights, diff_weights}, {Role::diff_dst, diff_dst}};
  if (with_bias) operands.push_back({Role::diff_bias, builder.add_fixed(builder.parameters().gradient(linear.bias))});
  builder.add_step("linear", "backward weights", planned.primitive, builder.layout(src), std::move(operands));
  builder.finish_weight_gradient(diff_weights, gradient);
}

void backward_data(Builder& builder, const Linear& linear, BufferId diff_dst) {
  const Layout src(rows_of(builder, builder.input()), operand_type(builder), Format::plain);
  const auto planned = kernels::linear_backward_data(builder.runtime(), src, builder.layout(diff_dst));
  const BufferId weights = weights_as(builder, linear, planned.weights);
  const BufferId diff_src = builder.add_buffer(src);
  builder.add_step("linear", "backward data", planned.primitive, src,
                   {{Role::diff_src, diff_src}, {Role::weights, weights}, {Role::diff_dst, diff_dst}});
  builder.add_gradient(builder.input(), as_tensor(builder, builder.input(), diff_src));
}

}  // namespace

void forward(Builder& builder, const Linear& linear) {
  const bool with_bias = linear.bias != kNoParameter;
  const BufferId value = builder.in_type(builder.value(builder.input()), operand_type(builder));
  const BufferId src = as_rows(builder, builder.input(), value);
  builder.kept() = {src};
  const Layout dst_layout(rows_of(builder, builder.output()), token_type(builder, builder.output()), Format::plain);
  const auto planned =
      kernels::linear_forward(builder.runtime(), builder.layout(src), dst_layout, builder.training(), with_bias);
  const BufferId weights = weights_as(builder, linear, planned.weights);
  const BufferId dst = builder.add_buffer(dst_layout);
  builder.set_value(builder.output(), as_tensor(builder, builder.output(), dst));
  std::vector<PrimitiveStep::Operand> operands{{Role::src, src}, {Role::weights, weights}, {Role::dst, dst}};
  if (with_bias) operands.push_back({Role::bias, builder.add_fixed(builder.parameters().value(linear.bias))});
  builder.add_step("linear", "forward", planned.primitive, builder.layout(src), std::move(operands));
}

void backward(Builder& builder, const Linear& linear) {
  const BufferId given = builder.in_type(builder.output_gradient(), operand_type(builder));
  const BufferId diff_dst = as_rows(builder, builder.output(), given);
  backward_weights(builder, linear, builder.kept()[0], diff_dst);
  if (builder.wants_gradient(builder.input())) backward_data(builder, linear, diff_dst);
}

}  // namespace convmixer

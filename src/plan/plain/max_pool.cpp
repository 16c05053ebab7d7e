#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::Format;
using kernels::Layout;
using kernels::MaxPoolProblem;
using kernels::Role;

// With stride s and padding p: y[n, c, h, w] = max over kh, kw of x[n, c, s h + kh - p, s w + kw - p], of what is
// inside the image. dx is the sum of dy over the windows whose largest value x was: forward keeps in a workspace which
// one.

namespace {

MaxPoolProblem max_pool_problem(const Builder& builder, const MaxPool& pool) {
  return {.kernel = pool.kernel, .stride = pool.stride, .padding = pool.padding, .training = builder.training()};
}

/// The same order for another shape; `other` has no name to ask for.
Layout like(const Layout& layout, const Shape& shape) {
  return {shape, layout.type(), layout.format() == Format::other ? Format::any : layout.format()};
}

}  // namespace

void forward(Builder& builder, const MaxPool& pool) {
  const BufferId src = builder.value(builder.input());
  const Layout src_layout = builder.layout(src);
  const auto planned = kernels::max_pool_forward(builder.runtime(), max_pool_problem(builder, pool), src_layout,
                                                 like(src_layout, builder.batch_shape(builder.output())));
  const BufferId dst = builder.add_buffer(planned.dst);
  builder.set_value(builder.output(), dst);
  std::vector<PrimitiveStep::Operand> operands{{Role::src, src}, {Role::dst, dst}};
  if (planned.workspace) {
    builder.kept() = {builder.add_buffer(*planned.workspace)};
    operands.push_back({Role::workspace, builder.kept().front()});
  }
  builder.add_step("max pool", "forward", planned.primitive, src_layout, std::move(operands));
}

void backward(Builder& builder, const MaxPool& pool) {
  const Layout src = builder.layout(builder.value(builder.input()));
  const Layout dst = builder.layout(builder.value(builder.output()));
  const auto planned = kernels::max_pool_backward(builder.runtime(), max_pool_problem(builder, pool), src, dst);
  const BufferId diff_dst = builder.convert(builder.output_gradient(), dst);
  const BufferId diff_src = builder.add_buffer(src);
  builder.add_step("max pool", "backward", planned.primitive, src,
                   {{Role::diff_dst, diff_dst}, {Role::workspace, builder.kept().front()}, {Role::diff_src, diff_src}});
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace convmixer

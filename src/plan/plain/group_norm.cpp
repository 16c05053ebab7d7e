#include "kernels/plain/group_norm.hpp"

#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::GroupNormBackward;
using kernels::GroupNormForward;
using kernels::GroupNormProblem;
using kernels::Layout;

// By image and group of channels, with mean and biased variance over the m values of the group, in training and
// inference alike: Wu & He, arXiv 1803.08494.
//   xhat = (x - mean) / sqrt(variance + epsilon),  y = scale xhat + shift
//   dshift = sum dy,  dscale = sum dy xhat  over N, H, W
//   g = scale dy,  dx = (g - sum g / m - xhat sum (g xhat) / m) / sqrt(variance + epsilon), sums over the group
// It reads f32 and writes what convolutions read, as batch norm does.

void forward(Builder& builder, const GroupNorm& norm) {
  const BufferId src = builder.in_type(builder.value(builder.input()), ElementType::f32);
  builder.set_value(builder.input(), src);
  const Layout layout = builder.layout(src);
  const Layout by_group(Shape{layout.shape()[0], norm.groups}, ElementType::f32, kernels::Format::plain);
  const BatchStatistics statistics{builder.add_buffer(by_group), builder.add_buffer(by_group)};
  builder.batch_statistics() = statistics;
  const BufferId dst = builder.add_buffer(Layout(layout.shape(), builder.type(), layout.format()));
  builder.set_value(builder.output(), dst);
  KernelOperands<GroupNormForward> operands(builder);
  operands.bind(&GroupNormForward::src, src)
      .bind(&GroupNormForward::dst, dst)
      .bind(&GroupNormForward::mean, statistics.mean)
      .bind(&GroupNormForward::variance, statistics.variance)
      .bind(&GroupNormForward::scale, builder.add_fixed(builder.parameters().value(norm.scale)))
      .bind(&GroupNormForward::shift, builder.add_fixed(builder.parameters().value(norm.shift)))
      .bind(&GroupNormForward::working, builder.add_working_memory(kernels::group_norm_doubles(layout)));
  builder
      .add_step("group norm", "forward", layout,
                operands.call([&runtime = builder.runtime(), layout, type = builder.type(),
                               problem = GroupNormProblem{norm.groups, norm.epsilon}](const GroupNormForward& memory) {
                  kernels::group_norm_forward(runtime, layout, type, problem, memory);
                }))
      .may_overwrite = {src, dst};
}

void backward(Builder& builder, const GroupNorm& norm) {
  const BufferId src = builder.value(builder.input());
  const Layout layout = builder.layout(src);
  const BufferId given = builder.output_gradient();
  const ElementType type = builder.layout(given).type();  // the kernel takes either
  const BufferId diff_dst = builder.convert(given, Layout(layout.shape(), type, layout.format()));
  const BufferId diff_src = builder.add_buffer(layout);
  const BatchStatistics statistics = builder.batch_statistics();
  KernelOperands<GroupNormBackward> operands(builder);
  operands.bind(&GroupNormBackward::src, src)
      .bind(&GroupNormBackward::mean, statistics.mean)
      .bind(&GroupNormBackward::variance, statistics.variance)
      .bind(&GroupNormBackward::scale, builder.add_fixed(builder.parameters().value(norm.scale)))
      .bind(&GroupNormBackward::diff_dst, diff_dst)
      .bind(&GroupNormBackward::diff_src, diff_src)
      .bind(&GroupNormBackward::diff_scale, builder.add_fixed(builder.parameters().gradient(norm.scale)))
      .bind(&GroupNormBackward::diff_shift, builder.add_fixed(builder.parameters().gradient(norm.shift)))
      .bind(&GroupNormBackward::working, builder.add_working_memory(kernels::group_norm_doubles(layout)));
  builder
      .add_step("group norm", "backward", layout,
                operands.call([&runtime = builder.runtime(), layout, type,
                               problem = GroupNormProblem{norm.groups, norm.epsilon}](const GroupNormBackward& memory) {
                  kernels::group_norm_backward(runtime, layout, type, problem, memory);
                }))
      .may_overwrite = {diff_dst, diff_src};
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace convmixer

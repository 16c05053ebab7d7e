#include "kernels/plain/group_norm.hpp"

#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Format;
using kernels::GroupNormBackward;
using kernels::GroupNormForward;
using kernels::GroupNormProblem;
using kernels::Layout;
using kernels::Role;

// By image and group of channels, with mean and biased variance over the m values of the group, in training and
// inference alike: Wu & He, arXiv 1803.08494.
//   xhat = (x - mean) / sqrt(variance + epsilon),  y = scale xhat + shift
//   dshift = sum dy,  dscale = sum dy xhat  over N, H, W
//   g = scale dy,  dx = (g - sum g / m - xhat sum (g xhat) / m) / sqrt(variance + epsilon), sums over the group
// It reads f32 and writes what convolutions read, as batch norm does.

namespace {

/// What oneDNN normalises in place of the N G groups of (N, C, H, W): the channels of (1, N G, C / G, H W), in f32.
Layout groups_of(const Layout& layout, int groups) {
  const Shape& shape = layout.shape();
  return {Shape{1, shape[0] * groups, shape[1] / groups, shape[2] * shape[3]}, ElementType::f32, Format::plain};
}

/// By oneDNN's batch norm of the groups, and arithmetic by channel.
void normalise_by_onednn(Builder& builder, const GroupNorm& norm) {
  const BufferId value = builder.value(builder.input());
  const Layout given = builder.layout(value);
  const Layout plain(given.shape(), ElementType::f32, Format::plain);
  const Layout groups = groups_of(plain, norm.groups);
  const BufferId src = builder.convert(value, plain);
  const Layout by_group(Shape{groups.shape()[1]}, ElementType::f32, Format::plain);
  const BufferId mean = builder.add_buffer(by_group);
  const BufferId variance = builder.add_buffer(by_group);
  const BufferId xhat = builder.add_buffer(plain);
  builder.kept() = {src, mean, variance, xhat};
  builder.add_step("group norm", "forward", kernels::normalisation_forward(builder.runtime(), groups, norm.epsilon),
                   plain,
                   {{Role::src, builder.add_view(src, groups.shape())},
                    {Role::mean, mean},
                    {Role::variance, variance},
                    {Role::dst, builder.add_view(xhat, groups.shape())}});
  const Shape by_channel{1, plain.shape()[1], 1, 1};
  const BufferId scale = builder.add_fixed(builder.parameters().value(norm.scale), by_channel);
  const BufferId shift = builder.add_fixed(builder.parameters().value(norm.shift), by_channel);
  const BufferId scaled = builder.add_buffer(plain);
  builder.add_step("group norm scale", "forward",
                   kernels::broadcast_multiply(builder.runtime(), plain, builder.layout(scale)), plain,
                   {{Role::src, xhat}, {Role::second, scale}, {Role::dst, scaled}});
  const BufferId shifted = builder.add_buffer(plain);
  builder
      .add_step("group norm shift", "forward", kernels::broadcast_add(builder.runtime(), plain, builder.layout(shift)),
                plain, {{Role::src, scaled}, {Role::second, shift}, {Role::dst, shifted}})
      .may_overwrite = {scaled, shifted};
  builder.set_value(builder.output(), builder.convert(shifted, Layout(given.shape(), builder.type(), given.format())));
}

void add_gradients_by_onednn(Builder& builder, const GroupNorm& norm) {
  const BufferId src = builder.kept()[0];
  const BufferId xhat = builder.kept()[3];
  const Layout plain = builder.layout(src);
  const Layout groups = groups_of(plain, norm.groups);
  const Shape by_channel{1, plain.shape()[1], 1, 1};
  const BufferId diff_dst = builder.convert(builder.output_gradient(), plain);
  const auto add_sum = [&](BufferId of, ParameterId parameter) {
    const BufferId sum = builder.add_fixed(builder.parameters().gradient(parameter), by_channel);
    builder.add_step("group norm sum", "backward weights",
                     kernels::reduce_sum(builder.runtime(), plain, builder.layout(sum)), plain,
                     {{Role::src, of}, {Role::dst, sum}});
  };
  const auto add_product = [&](BufferId factor) {
    const BufferId product = builder.add_buffer(plain);
    builder.add_step("group norm product", "backward",
                     kernels::broadcast_multiply(builder.runtime(), plain, builder.layout(factor)), plain,
                     {{Role::src, diff_dst}, {Role::second, factor}, {Role::dst, product}});
    return product;
  };
  add_sum(diff_dst, norm.shift);
  add_sum(add_product(xhat), norm.scale);
  const BufferId diff_xhat = add_product(builder.add_fixed(builder.parameters().value(norm.scale), by_channel));
  const BufferId diff_src = builder.add_buffer(plain);
  builder.add_step("group norm", "backward", kernels::normalisation_backward(builder.runtime(), groups, norm.epsilon),
                   plain,
                   {{Role::src, builder.add_view(src, groups.shape())},
                    {Role::mean, builder.kept()[1]},
                    {Role::variance, builder.kept()[2]},
                    {Role::diff_dst, builder.add_view(diff_xhat, groups.shape())},
                    {Role::diff_src, builder.add_view(diff_src, groups.shape())}});
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace

void forward(Builder& builder, const GroupNorm& norm) {
  if (builder.onednn_alone()) return normalise_by_onednn(builder, norm);
  const BufferId src = builder.in_type(builder.value(builder.input()), ElementType::f32);
  builder.set_value(builder.input(), src);
  const Layout layout = builder.layout(src);
  const Layout by_group(Shape{layout.shape()[0], norm.groups}, ElementType::f32, Format::plain);
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
  if (builder.onednn_alone()) return add_gradients_by_onednn(builder, norm);
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

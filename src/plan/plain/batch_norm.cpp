#include "kernels/plain/batch_norm.hpp"

#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"
#include "plan/plan_checks.hpp"

#include <utility>

namespace convmixer {

using kernels::ElementType;
using kernels::Layout;
using kernels::Role;

// By channel, with mean and (biased) variance over the n = N H W values of the batch in training, the running ones in
// inference: Ioffe & Szegedy, arXiv 1502.03167.
//   xhat = (x - mean) / sqrt(variance + epsilon),  y = scale xhat + shift
//   dshift = sum dy,  dscale = sum dy xhat,  dx = scale / sqrt(variance + epsilon) (dy - dshift / n - xhat dscale / n)
// and, in training, running = (1 - momentum) running + momentum batch, with the unbiased variance. A frozen norm takes
// the running ones in training, too, and leaves them: dx = scale / sqrt(variance + epsilon) dy.

namespace {

bool takes_batch_statistics(const Builder& builder, const BatchNorm& norm) {
  return builder.training() && !norm.frozen;
}

void check_values(const Builder& builder, const BatchNorm& norm, const Shape& shape) {
  if (takes_batch_statistics(builder, norm)) require_several_values(builder.node().name, shape[0], shape[2], shape[3]);
}

/// Those that forward normalises with: the batch's, which it computes, or the running ones.
BatchStatistics add_statistics(Builder& builder, const BatchNorm& norm, std::int64_t channels) {
  Parameters& parameters = builder.parameters();
  if (!takes_batch_statistics(builder, norm)) {
    return {builder.add_fixed(parameters.statistic(norm.running_mean)),
            builder.add_fixed(parameters.statistic(norm.running_var))};
  }
  const Layout by_channel(Shape{channels}, ElementType::f32, kernels::Format::plain);
  return {builder.add_buffer(by_channel), builder.add_buffer(by_channel)};
}

struct RunningStatistic {
  const float* batch;
  float* running;
};

KernelStep move_statistic(const Builder& builder, BufferId batch, BufferId running, float momentum, float correction) {
  const std::int64_t channels = builder.layout(running).shape()[0];
  KernelOperands<RunningStatistic> operands(builder);
  operands.bind(&RunningStatistic::batch, batch).bind(&RunningStatistic::running, running);
  return operands.call([channels, momentum, correction](const RunningStatistic& memory) {
    for (std::int64_t c = 0; c < channels; ++c) {
      memory.running[c] = (1.0F - momentum) * memory.running[c] + momentum * (memory.batch[c] * correction);
    }
  });
}

/// running = (1 - momentum) running + momentum correction batch.
void add_running_statistic(Builder& builder, BufferId batch, std::span<float> values, float momentum,
                           float correction) {
  const BufferId running = builder.add_fixed(values);
  const Layout layout = builder.layout(running);
  Step& step =
      builder.onednn_alone()
          ? builder.add_step("running statistics", "forward",
                             kernels::weighted_sum(builder.runtime(), layout, 1.0F - momentum, momentum * correction),
                             layout, {{Role::summand0, running}, {Role::summand1, batch}, {Role::dst, running}})
          : builder.add_step("running statistics", "forward", layout,
                             move_statistic(builder, batch, running, momentum, correction));
  step.moves_statistics = true;
}

void add_running_statistics(Builder& builder, const BatchNorm& norm, const BatchStatistics& batch,
                            std::int64_t values) {
  const auto n = static_cast<double>(values);
  const auto unbiased = static_cast<float>(n / (n - 1.0));
  Parameters& parameters = builder.parameters();
  add_running_statistic(builder, batch.mean, parameters.statistic(norm.running_mean), norm.momentum, 1.0F);
  add_running_statistic(builder, batch.variance, parameters.statistic(norm.running_var), norm.momentum, unbiased);
}

/// By the hand-written kernel, to what convolutions read.
BufferId normalise(Builder& builder, const BatchNorm& norm, BufferId src, const BatchStatistics& statistics) {
  using kernels::BatchNormForward;
  const Layout layout = builder.layout(src);
  const BufferId dst = builder.add_buffer(Layout(layout.shape(), builder.type(), layout.format()));
  const BufferId working = builder.add_working_memory(kernels::batch_norm_doubles(layout));
  KernelOperands<BatchNormForward> operands(builder);
  operands.bind(&BatchNormForward::src, src)
      .bind(&BatchNormForward::dst, dst)
      .bind(&BatchNormForward::mean, statistics.mean)
      .bind(&BatchNormForward::variance, statistics.variance)
      .bind(&BatchNormForward::scale, builder.add_fixed(builder.parameters().value(norm.scale)))
      .bind(&BatchNormForward::shift, builder.add_fixed(builder.parameters().value(norm.shift)))
      .bind(&BatchNormForward::working, working);
  const auto kernel =
      takes_batch_statistics(builder, norm) ? kernels::batch_norm_training : kernels::batch_norm_inference;
  builder
      .add_step(
          "batch norm", "forward", layout,
          operands.call([&runtime = builder.runtime(), layout, type = builder.type(), epsilon = norm.epsilon,
                         kernel](const BatchNormForward& memory) { kernel(runtime, layout, type, epsilon, memory); }))
      .may_overwrite = {src, dst};
  return dst;
}

/// By oneDNN, whose result has the type of src, f32: a reorder rounds it to what convolutions read.
BufferId normalise_by_onednn(Builder& builder, const BatchNorm& norm, BufferId src, const BatchStatistics& statistics) {
  const Layout layout = builder.layout(src);
  const BufferId dst = builder.add_buffer(layout);
  builder
      .add_step(
          "batch norm", "forward",
          kernels::batch_norm_forward(builder.runtime(), layout, norm.epsilon, takes_batch_statistics(builder, norm)),
          layout,
          {{Role::src, src},
           {Role::mean, statistics.mean},
           {Role::variance, statistics.variance},
           {Role::scale, builder.add_fixed(builder.parameters().value(norm.scale))},
           {Role::shift, builder.add_fixed(builder.parameters().value(norm.shift))},
           {Role::dst, dst}})
      .may_overwrite = {src, dst};
  return builder.in_type(dst, builder.type());
}

/// By the hand-written kernel, whatever type the gradient of the output has.
BufferId gradient(Builder& builder, const BatchNorm& norm, BufferId src) {
  using kernels::BatchNormBackward;
  const Layout layout = builder.layout(src);
  const BufferId given = builder.output_gradient();
  const ElementType type = builder.layout(given).type();
  const BufferId diff_dst = builder.convert(given, Layout(layout.shape(), type, layout.format()));
  const BufferId diff_src = builder.add_buffer(layout);
  const BatchStatistics statistics = builder.batch_statistics();
  const BufferId working = builder.add_working_memory(kernels::batch_norm_doubles(layout));
  KernelOperands<BatchNormBackward> operands(builder);
  operands.bind(&BatchNormBackward::src, src)
      .bind(&BatchNormBackward::mean, statistics.mean)
      .bind(&BatchNormBackward::variance, statistics.variance)
      .bind(&BatchNormBackward::scale, builder.add_fixed(builder.parameters().value(norm.scale)))
      .bind(&BatchNormBackward::diff_dst, diff_dst)
      .bind(&BatchNormBackward::diff_src, diff_src)
      .bind(&BatchNormBackward::diff_scale, builder.add_fixed(builder.parameters().gradient(norm.scale)))
      .bind(&BatchNormBackward::diff_shift, builder.add_fixed(builder.parameters().gradient(norm.shift)))
      .bind(&BatchNormBackward::working, working);
  builder
      .add_step("batch norm", "backward", layout,
                operands.call([&runtime = builder.runtime(), layout, type, epsilon = norm.epsilon,
                               frozen = norm.frozen](const BatchNormBackward& memory) {
                  if (frozen) {
                    kernels::batch_norm_inference_backward(runtime, layout, type, epsilon, memory);
                  } else {
                    kernels::batch_norm_backward(runtime, layout, type, epsilon, memory);
                  }
                }))
      .may_overwrite = {diff_dst, diff_src};
  return diff_src;
}

/// By oneDNN, all in f32.
BufferId gradient_by_onednn(Builder& builder, const BatchNorm& norm, BufferId src) {
  const Layout layout = builder.layout(src);
  const BufferId diff_dst = builder.convert(builder.output_gradient(), layout);
  const BufferId diff_src = builder.add_buffer(layout);
  const BatchStatistics statistics = builder.batch_statistics();
  Parameters& parameters = builder.parameters();
  builder
      .add_step("batch norm", "backward",
                kernels::batch_norm_backward(builder.runtime(), layout, norm.epsilon, /*of_batch=*/!norm.frozen),
                layout,
                {{Role::src, src},
                 {Role::mean, statistics.mean},
                 {Role::variance, statistics.variance},
                 {Role::scale, builder.add_fixed(parameters.value(norm.scale))},
                 {Role::shift, builder.add_fixed(parameters.value(norm.shift))},
                 {Role::diff_dst, diff_dst},
                 {Role::diff_src, diff_src},
                 {Role::diff_scale, builder.add_fixed(parameters.gradient(norm.scale))},
                 {Role::diff_shift, builder.add_fixed(parameters.gradient(norm.shift))}})
      .may_overwrite = {diff_dst, diff_src};
  return diff_src;
}

}  // namespace

void forward(Builder& builder, const BatchNorm& norm) {
  const BufferId src = builder.in_type(builder.value(builder.input()), ElementType::f32);
  builder.set_value(builder.input(), src);
  const Shape shape = builder.layout(src).shape();
  check_values(builder, norm, shape);
  const BatchStatistics statistics = add_statistics(builder, norm, shape[1]);
  builder.batch_statistics() = statistics;
  builder.set_value(builder.output(), builder.onednn_alone() ? normalise_by_onednn(builder, norm, src, statistics)
                                                             : normalise(builder, norm, src, statistics));
  if (takes_batch_statistics(builder, norm)) {
    add_running_statistics(builder, norm, statistics, shape.count() / shape[1]);
  }
}

void backward(Builder& builder, const BatchNorm& norm) {
  const BufferId src = builder.value(builder.input());
  builder.add_gradient(builder.input(),
                       builder.onednn_alone() ? gradient_by_onednn(builder, norm, src) : gradient(builder, norm, src));
}

}  // namespace convmixer

#include "kernels/plain/batch_norm.hpp"

#include "convmixer/core/error.hpp"
#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Layout;

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

void expect_several_values(const Builder& builder, const BatchNorm& norm, const Shape& shape) {
  if (!takes_batch_statistics(builder, norm) || shape.count() / shape[1] >= 2) return;
  fail_usage(
      "{}: batch norm in training needs more than one value per channel, found a batch of {} with {}x{} pixels: use a "
      "larger batch-size or micro-batch (or drop-last)",
      builder.node().name, shape[0], shape[2], shape[3]);
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

/// running = (1 - momentum) running + momentum correction batch.
void add_running_statistic(Builder& builder, BufferId batch, std::span<float> running, float momentum,
                           float correction) {
  KernelOperands<RunningStatistic> operands(builder);
  operands.bind(&RunningStatistic::batch, batch).bind(&RunningStatistic::running, builder.add_fixed(running));
  KernelStep kernel = operands.call([channels = running.size(), momentum, correction](const RunningStatistic& memory) {
    for (std::size_t c = 0; c < channels; ++c) {
      memory.running[c] = (1.0F - momentum) * memory.running[c] + momentum * (memory.batch[c] * correction);
    }
  });
  kernel.moves_statistics = true;
  builder.add_step("running statistics", "forward", builder.layout(batch), std::move(kernel));
}

void add_running_statistics(Builder& builder, const BatchNorm& norm, const BatchStatistics& batch,
                            std::int64_t values) {
  const auto n = static_cast<double>(values);
  const auto unbiased = static_cast<float>(n / (n - 1.0));
  Parameters& parameters = builder.parameters();
  add_running_statistic(builder, batch.mean, parameters.statistic(norm.running_mean), norm.momentum, 1.0F);
  add_running_statistic(builder, batch.variance, parameters.statistic(norm.running_var), norm.momentum, unbiased);
}

}  // namespace

void forward(Builder& builder, const BatchNorm& norm) {
  using kernels::BatchNormForward;
  const BufferId src = builder.in_type(builder.value(builder.input()), ElementType::f32);
  builder.set_value(builder.input(), src);
  const Layout layout = builder.layout(src);
  expect_several_values(builder, norm, layout.shape());
  const bool of_batch = takes_batch_statistics(builder, norm);
  const BatchStatistics statistics = add_statistics(builder, norm, layout.shape()[1]);
  builder.batch_statistics() = statistics;
  const BufferId dst = builder.add_buffer(Layout(layout.shape(), builder.type(), layout.format()));
  builder.set_value(builder.output(), dst);
  const BufferId working = builder.add_working_memory(kernels::batch_norm_doubles(layout));
  KernelOperands<BatchNormForward> operands(builder);
  operands.bind(&BatchNormForward::src, src)
      .bind(&BatchNormForward::dst, dst)
      .bind(&BatchNormForward::mean, statistics.mean)
      .bind(&BatchNormForward::variance, statistics.variance)
      .bind(&BatchNormForward::scale, builder.add_fixed(builder.parameters().value(norm.scale)))
      .bind(&BatchNormForward::shift, builder.add_fixed(builder.parameters().value(norm.shift)))
      .bind(&BatchNormForward::working, working);
  builder
      .add_step("batch norm", "forward", layout,
                operands.call([&runtime = builder.runtime(), layout, type = builder.type(), epsilon = norm.epsilon,
                               kernel = of_batch ? kernels::batch_norm_training : kernels::batch_norm_inference](
                                  const BatchNormForward& memory) { kernel(runtime, layout, type, epsilon, memory); }))
      .may_overwrite = {src, dst};
  if (of_batch) {
    add_running_statistics(builder, norm, statistics, layout.shape().count() / layout.shape()[1]);
  }
}

void backward(Builder& builder, const BatchNorm& norm) {
  using kernels::BatchNormBackward;
  const BufferId src = builder.value(builder.input());
  const Layout layout = builder.layout(src);
  const BufferId given = builder.output_gradient();
  const ElementType type = builder.layout(given).type();  // the kernel takes either
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
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace convmixer

// Batch norm: the hand-written kernels beside oneDNN's. A bf16 plan's norms read f32 and write bf16 (backward: read
// bf16 gradients, write f32); oneDNN's have one type and get the conversion that they would need.
#include "kernels/plain/batch_norm.hpp"

#include "operation.hpp"

#include <cmath>

namespace convmixer::perf {

namespace {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Role;

constexpr float kEpsilon = 1e-5F;
constexpr Range kPositive{0.5F, 1.5F};

// Per element. Normalising: src - mean, * scale / deviation, + shift.
constexpr double kNormaliseFlops = 3.0;
// Mean: an addition; variance: a subtraction and a multiply-add.
constexpr double kStatisticsFlops = 4.0;
// xhat: a subtraction and a multiplication; diff_shift: an addition; diff_scale: a multiply-add; diff_src: two
// subtractions and two multiplications.
constexpr double kGradientFlops = 9.0;

double elements(const Trial& trial) { return static_cast<double>(trial.setting().activations().count()); }

struct Moments {
  double mean = 0.0;
  double variance = 0.0;
  [[nodiscard]] double inverse_deviation() const { return 1.0 / std::sqrt(variance + static_cast<double>(kEpsilon)); }
};

/// Mean over N, H, W of value(place) for a channel.
template <typename Value>
double channel_mean(const Shape& shape, std::int64_t channel, const Value& value) {
  double sum = 0.0;
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t h = 0; h < shape[2]; ++h) {
      for (std::int64_t w = 0; w < shape[3]; ++w) sum += value(Index{n, channel, h, w});
    }
  }
  return sum / static_cast<double>(shape.count() / shape[1]);
}

Moments moments_of(const Tensor& src, std::int64_t channel) {
  const double mean = channel_mean(src.shape(), channel, [&](const Index& at) { return src.at(at); });
  const double variance =
      channel_mean(src.shape(), channel, [&](const Index& at) { return (src.at(at) - mean) * (src.at(at) - mean); });
  return {mean, variance};
}

// ---- forward ----

struct Forward {
  const Tensor& src;
  const Tensor& scale;
  const Tensor& shift;
  const Tensor& mean;
  const Tensor& variance;
  const Tensor& dst;
};

Forward prepare_forward(Trial& trial, bool training) {
  const std::int64_t channels = trial.setting().shapes().dim;
  const Tensor& src = trial.input(trial.activations(ElementType::f32));
  const Tensor& scale = trial.input_vector(channels, kPositive);
  const Tensor& shift = trial.input_vector(channels);
  const Tensor& mean = training ? trial.output_vector(channels) : trial.input_vector(channels);
  const Tensor& variance = training ? trial.output_vector(channels) : trial.input_vector(channels, kPositive);
  const Tensor& dst = trial.output(trial.activations());
  trial.count((training ? kStatisticsFlops + kNormaliseFlops : kNormaliseFlops) * elements(trial), Unit::vector);
  trial.expect(dst, [=, &src, &scale, &shift, &mean, &variance](const Index& at) {
    const Index c{at[1]};
    const Moments by = training ? moments_of(src, at[1]) : Moments{mean.at(c), variance.at(c)};
    return scale.at(c) * (src.at(at) - by.mean) * by.inverse_deviation() + shift.at(c);
  });
  if (training) {
    trial.expect(variance, [&src](const Index& at) { return moments_of(src, at[0]).variance; });
  }
  return {src, scale, shift, mean, variance, dst};
}

void hand_written_forward(Trial& trial, bool training) {
  const Forward tensors = prepare_forward(trial, training);
  const Layout layout = tensors.src.layout();
  const auto doubles = static_cast<std::int64_t>(kernels::batch_norm_doubles(layout));
  const Tensor& working = trial.working({{2 * doubles}, ElementType::f32, Format::plain});
  const kernels::BatchNormForward memory{.src = tensors.src.as<float>(),
                                         .dst = tensors.dst.data(),
                                         .mean = tensors.mean.as<float>(),
                                         .variance = tensors.variance.as<float>(),
                                         .scale = tensors.scale.as<float>(),
                                         .shift = tensors.shift.as<float>(),
                                         .working = working.as<double>()};
  trial.run("hand-written", [&trial, layout, training, memory] {
    const auto kernel = training ? kernels::batch_norm_training : kernels::batch_norm_inference;
    kernel(trial.runtime(), layout, trial.setting().type, kEpsilon, memory);
  });
}

void onednn_forward(Trial& trial, bool training) {
  const Forward tensors = prepare_forward(trial, training);
  const Layout layout = tensors.src.layout();
  const bool direct = tensors.dst.layout() == layout;
  const Tensor& dst = direct ? tensors.dst : trial.working(layout);
  trial.run(kernels::batch_norm_forward(trial.runtime(), layout, kEpsilon, training),
            {{Role::src, &tensors.src},
             {Role::scale, &tensors.scale},
             {Role::shift, &tensors.shift},
             {Role::mean, &tensors.mean},
             {Role::variance, &tensors.variance},
             {Role::dst, &dst}});
  if (direct) return;
  trial.run(kernels::reorder(trial.runtime(), layout, tensors.dst.layout()),
            {{Role::src, &dst}, {Role::dst, &tensors.dst}});
}

// ---- backward ----

struct Backward {
  const Tensor& src;
  const Tensor& mean;
  const Tensor& variance;
  const Tensor& scale;
  const Tensor& diff_dst;
  const Tensor& diff_src;
  const Tensor& diff_scale;
  const Tensor& diff_shift;
};

/// With any mean and variance: the formula in kernels/plain/batch_norm.hpp, term by term.
Backward prepare_backward(Trial& trial) {
  const std::int64_t channels = trial.setting().shapes().dim;
  const Tensor& src = trial.input(trial.activations(ElementType::f32));
  const Tensor& mean = trial.input_vector(channels);
  const Tensor& variance = trial.input_vector(channels, kPositive);
  const Tensor& scale = trial.input_vector(channels, kPositive);
  const Tensor& diff_dst = trial.input(trial.activations());
  const Tensor& diff_src = trial.output(trial.activations(ElementType::f32));
  const Tensor& diff_scale = trial.output_vector(channels);
  const Tensor& diff_shift = trial.output_vector(channels);
  trial.count(kGradientFlops * elements(trial), Unit::vector);
  const auto normalised = [&src, &mean, &variance](const Index& at) {
    const Moments by{mean.at({at[1]}), variance.at({at[1]})};
    return (src.at(at) - by.mean) * by.inverse_deviation();
  };
  const auto mean_gradient = [&diff_dst](std::int64_t c) {
    return channel_mean(diff_dst.shape(), c, [&](const Index& at) { return diff_dst.at(at); });
  };
  const auto mean_product = [&diff_dst, normalised](std::int64_t c) {
    return channel_mean(diff_dst.shape(), c, [&](const Index& at) { return diff_dst.at(at) * normalised(at); });
  };
  const double n = static_cast<double>(src.shape().count() / channels);
  trial.expect(diff_src, [=, &scale, &variance, &diff_dst](const Index& at) {
    const Moments by{0.0, variance.at({at[1]})};
    return scale.at({at[1]}) * by.inverse_deviation() *
           (diff_dst.at(at) - mean_gradient(at[1]) - normalised(at) * mean_product(at[1]));
  });
  trial.expect(diff_scale, [=](const Index& at) { return n * mean_product(at[0]); });
  trial.expect(diff_shift, [=](const Index& at) { return n * mean_gradient(at[0]); });
  return {src, mean, variance, scale, diff_dst, diff_src, diff_scale, diff_shift};
}

void hand_written_backward(Trial& trial) {
  const Backward tensors = prepare_backward(trial);
  const Layout layout = tensors.src.layout();
  const auto doubles = static_cast<std::int64_t>(kernels::batch_norm_doubles(layout));
  const Tensor& working = trial.working({{2 * doubles}, ElementType::f32, Format::plain});
  const kernels::BatchNormBackward memory{.src = tensors.src.as<float>(),
                                          .mean = tensors.mean.as<float>(),
                                          .variance = tensors.variance.as<float>(),
                                          .scale = tensors.scale.as<float>(),
                                          .diff_dst = tensors.diff_dst.data(),
                                          .diff_src = tensors.diff_src.as<float>(),
                                          .diff_scale = tensors.diff_scale.as<float>(),
                                          .diff_shift = tensors.diff_shift.as<float>(),
                                          .working = working.as<double>()};
  trial.run("hand-written", [&trial, layout, memory] {
    kernels::batch_norm_backward(trial.runtime(), layout, trial.setting().type, kEpsilon, memory);
  });
}

void onednn_backward(Trial& trial) {
  const Backward tensors = prepare_backward(trial);
  const Layout layout = tensors.src.layout();
  const Tensor& diff_dst = trial.converted(tensors.diff_dst, layout);
  trial.run(kernels::batch_norm_backward(trial.runtime(), layout, kEpsilon),
            {{Role::src, &tensors.src},
             {Role::mean, &tensors.mean},
             {Role::variance, &tensors.variance},
             {Role::scale, &tensors.scale},
             {Role::shift, &tensors.scale},  // oneDNN 2 wants one, which no gradient depends on
             {Role::diff_dst, &diff_dst},
             {Role::diff_src, &tensors.diff_src},
             {Role::diff_scale, &tensors.diff_scale},
             {Role::diff_shift, &tensors.diff_shift}});
}

}  // namespace

std::vector<Operation> batch_norm_operations() {
  return {
      {"batch norm", "forward", "oneDNN", [](Trial& t) { onednn_forward(t, true); }},
      {"batch norm", "forward", "hand-written", [](Trial& t) { hand_written_forward(t, true); }},
      {"batch norm", "inference", "oneDNN", [](Trial& t) { onednn_forward(t, false); }},
      {"batch norm", "inference", "hand-written", [](Trial& t) { hand_written_forward(t, false); }},
      {"batch norm", "backward", "oneDNN", onednn_backward},
      {"batch norm", "backward", "hand-written", hand_written_backward},
  };
}

}  // namespace convmixer::perf

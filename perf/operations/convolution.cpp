// Convolutions: patch embedding, depthwise, pointwise; forward and both gradients.
#include "kernels/plain/depthwise_weight_gradient.hpp"
#include "operation.hpp"

#include <algorithm>

namespace convmixer::perf {

namespace {

using kernels::ConvolutionProblem;
using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Role;

/// 2 N O H' W' (I / groups) K^2: every tap, those over the padding included, as graph::multiply_adds counts.
void count_convolution(Trial& trial, const ConvolutionProblem& problem) {
  const std::int64_t taps = problem.src[1] / problem.groups * problem.kernel * problem.kernel;
  trial.count(2.0 * static_cast<double>(problem.dst.count() * taps), problem.groups == 1 ? Unit::matrix : Unit::vector);
}

/// Index of a weight: (O, I / groups, KH, KW), or with the groups in front.
Index weight_at(const ConvolutionProblem& problem, std::int64_t o, std::int64_t i, std::int64_t kh, std::int64_t kw) {
  if (problem.groups == 1) return {o, i, kh, kw};
  const std::int64_t outputs = problem.dst[1] / problem.groups;
  return {o / outputs, o % outputs, i, kh, kw};
}

/// Calls body(place in src, place in dst) for each pair that a tap joins, along one axis of the given sizes.
template <typename Body>
void for_each_tap(const ConvolutionProblem& problem, std::int64_t dst, std::int64_t src_size, const Body& body) {
  for (std::int64_t k = 0; k < problem.kernel; ++k) {
    const std::int64_t src = dst * problem.stride + k - problem.padding_begin;
    if (src >= 0 && src < src_size) body(k, src);
  }
}

/// dst[n, o, h, w] = bias[o] + sum over i, kh, kw of weights[o, i, kh, kw] * src[n, i, h * stride + kh - begin, ...].
double forward_at(const ConvolutionProblem& problem, const Tensor& src, const Tensor& weights, const Tensor& bias,
                  const Index& at) {
  const std::int64_t inputs = problem.src[1] / problem.groups;
  const std::int64_t first = at[1] / (problem.dst[1] / problem.groups) * inputs;
  double sum = bias.at({at[1]});
  for (std::int64_t i = 0; i < inputs; ++i) {
    for_each_tap(problem, at[2], problem.src[2], [&](std::int64_t kh, std::int64_t h) {
      for_each_tap(problem, at[3], problem.src[3], [&](std::int64_t kw, std::int64_t w) {
        sum += weights.at(weight_at(problem, at[1], i, kh, kw)) * src.at({at[0], first + i, h, w});
      });
    });
  }
  return sum;
}

/// diff_src[n, i, h, w] = sum over o, kh, kw of weights[o, i, kh, kw] * diff_dst[n, o, (h + begin - kh) / stride, ...].
double backward_data_at(const ConvolutionProblem& problem, const Tensor& weights, const Tensor& diff_dst,
                        const Index& at) {
  const std::int64_t inputs = problem.src[1] / problem.groups;
  const std::int64_t outputs = problem.dst[1] / problem.groups;
  const std::int64_t first = at[1] / inputs * outputs;
  const auto dst_of = [&problem](std::int64_t src, std::int64_t k, std::int64_t size) {
    const std::int64_t reached = src + problem.padding_begin - k;
    if (reached < 0 || reached % problem.stride != 0 || reached / problem.stride >= size) return std::int64_t{-1};
    return reached / problem.stride;
  };
  double sum = 0.0;
  for (std::int64_t o = first; o < first + outputs; ++o) {
    for (std::int64_t kh = 0; kh < problem.kernel; ++kh) {
      for (std::int64_t kw = 0; kw < problem.kernel; ++kw) {
        const std::int64_t h = dst_of(at[2], kh, problem.dst[2]);
        const std::int64_t w = dst_of(at[3], kw, problem.dst[3]);
        if (h < 0 || w < 0) continue;
        sum += weights.at(weight_at(problem, o, at[1] % inputs, kh, kw)) * diff_dst.at({at[0], o, h, w});
      }
    }
  }
  return sum;
}

/// diff_weights[o, i, kh, kw] = sum over n, h, w of diff_dst[n, o, h, w] * src[n, i, h * stride + kh - begin, ...].
double backward_weights_at(const ConvolutionProblem& problem, const Tensor& src, const Tensor& diff_dst,
                           const Index& at) {
  const bool grouped = problem.groups > 1;
  const std::int64_t o = grouped ? at[0] * (problem.dst[1] / problem.groups) + at[1] : at[0];
  const std::int64_t i = grouped ? at[0] * (problem.src[1] / problem.groups) + at[2] : at[1];
  const std::int64_t kh = grouped ? at[3] : at[2];
  const std::int64_t kw = grouped ? at[4] : at[3];
  double sum = 0.0;
  for (std::int64_t n = 0; n < problem.dst[0]; ++n) {
    for (std::int64_t h = 0; h < problem.dst[2]; ++h) {
      const std::int64_t from_h = h * problem.stride + kh - problem.padding_begin;
      if (from_h < 0 || from_h >= problem.src[2]) continue;
      for (std::int64_t w = 0; w < problem.dst[3]; ++w) {
        const std::int64_t from_w = w * problem.stride + kw - problem.padding_begin;
        if (from_w < 0 || from_w >= problem.src[3]) continue;
        sum += diff_dst.at({n, o, h, w}) * src.at({n, i, from_h, from_w});
      }
    }
  }
  return sum;
}

/// diff_bias[o] = sum of diff_dst[n, o, h, w].
double bias_gradient_at(const Tensor& diff_dst, std::int64_t o) {
  double sum = 0.0;
  const Shape& shape = diff_dst.shape();
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t h = 0; h < shape[2]; ++h) {
      for (std::int64_t w = 0; w < shape[3]; ++w) sum += diff_dst.at({n, o, h, w});
    }
  }
  return sum;
}

/// What a plan would give the convolution: activations in the plan's order, images as the patch embedding wants them.
Layout given_src(const Trial& trial, const ConvolutionProblem& problem) {
  if (problem.src[1] == trial.setting().shapes().dim && problem.stride == 1) return trial.activations();
  return trial.choice().forward("convolution", problem, {problem.src, trial.setting().type, Format::plain}, false).src;
}

void forward(Trial& trial, const ConvolutionProblem& problem) {
  const Layout given = given_src(trial, problem);
  const auto planned = trial.choice().forward("convolution", problem, given, /*fixed_src=*/true);
  const Tensor& src = trial.input(given);
  const Tensor& weights = trial.input(planned.weights);
  const Tensor& bias = trial.input_vector(problem.dst[1]);
  const Tensor& dst = trial.output(planned.dst);
  trial.run(planned.primitive, {{Role::src, &trial.converted(src, planned.src)},
                                {Role::weights, &weights},
                                {Role::bias, &bias},
                                {Role::dst, &dst}});
  count_convolution(trial, problem);
  trial.expect(dst,
               [=, &src, &weights, &bias](const Index& at) { return forward_at(problem, src, weights, bias, at); });
}

void backward_data(Trial& trial, const ConvolutionProblem& problem) {
  const Layout src_as = given_src(trial, problem);
  const Layout dst_as = trial.activations();
  const auto planned = trial.choice().backward_data("convolution", problem, src_as, dst_as);
  const Tensor& diff_dst = trial.input(dst_as);
  const Tensor& weights = trial.input(planned.weights);
  const Tensor& diff_src = trial.output(planned.src);
  trial.run(planned.primitive, {{Role::diff_src, &diff_src},
                                {Role::weights, &weights},
                                {Role::diff_dst, &trial.converted(diff_dst, planned.dst)}});
  count_convolution(trial, problem);
  trial.expect(diff_src,
               [=, &weights, &diff_dst](const Index& at) { return backward_data_at(problem, weights, diff_dst, at); });
}

/// Operands and results of a weight gradient, the results row-major f32.
struct WeightGradient {
  const Tensor& src;
  const Tensor& diff_dst;
  const Tensor& diff_weights;
  const Tensor& diff_bias;
};

WeightGradient prepare_weight_gradient(Trial& trial, const ConvolutionProblem& problem) {
  const WeightGradient tensors{trial.input(given_src(trial, problem)), trial.input(trial.activations()),
                               trial.output({problem.weights(), ElementType::f32, Format::plain}),
                               trial.output_vector(problem.dst[1])};
  count_convolution(trial, problem);
  const Tensor& src = tensors.src;
  const Tensor& diff_dst = tensors.diff_dst;
  trial.expect(tensors.diff_weights,
               [=, &src, &diff_dst](const Index& at) { return backward_weights_at(problem, src, diff_dst, at); });
  trial.expect(tensors.diff_bias, [&diff_dst](const Index& at) { return bias_gradient_at(diff_dst, at[0]); });
  return tensors;
}

void backward_weights(Trial& trial, const ConvolutionProblem& problem) {
  const WeightGradient tensors = prepare_weight_gradient(trial, problem);
  const auto planned =
      trial.choice().backward_weights("convolution", problem, tensors.src.layout(), tensors.diff_dst.layout());
  const bool direct = planned.weights == tensors.diff_weights.layout();
  const Tensor& diff_weights = direct ? tensors.diff_weights : trial.working(planned.weights);
  const Tensor& src = trial.converted(tensors.src, planned.src);
  const Tensor& diff_dst = trial.converted(tensors.diff_dst, planned.dst);
  trial.run(planned.primitive, {{Role::src, &src},
                                {Role::diff_weights, &diff_weights},
                                {Role::diff_bias, &tensors.diff_bias},
                                {Role::diff_dst, &diff_dst}});
  if (direct) return;
  trial.run(kernels::reorder(trial.runtime(), planned.weights, tensors.diff_weights.layout()),
            {{Role::src, &diff_weights}, {Role::dst, &tensors.diff_weights}});
}

void hand_written_depthwise_backward_weights(Trial& trial) {
  const ConvolutionProblem problem = trial.setting().depthwise();
  const WeightGradient tensors = prepare_weight_gradient(trial, problem);
  const auto doubles = static_cast<std::int64_t>(kernels::depthwise_weight_gradient_doubles(trial.runtime(), problem));
  const Tensor& working = trial.working({{2 * doubles}, ElementType::f32, Format::plain});
  trial.run("hand-written", [&trial, problem, tensors, &working] {
    kernels::depthwise_weight_gradient(trial.runtime(), problem, tensors.src.layout(), tensors.diff_dst.layout(),
                                       {.src = tensors.src.data(),
                                        .diff_dst = tensors.diff_dst.data(),
                                        .diff_weights = tensors.diff_weights.as<float>(),
                                        .diff_bias = tensors.diff_bias.as<float>(),
                                        .working = working.as<double>()});
  });
}

/// src (M, D) times a matrix (D, D), M = N H W: a pointwise convolution of channels-last activations.
void matrix_product(Trial& trial) {
  const Shape activations = trial.setting().activations();
  const std::int64_t dim = activations[1];
  const std::int64_t rows = activations.count() / dim;
  const Tensor& src = trial.input({{rows, dim}, trial.setting().type, Format::plain});
  const Tensor& dst = trial.output({{rows, dim}, ElementType::f32, Format::plain});
  const auto planned = kernels::matrix_product(trial.runtime(), src.layout(), dst.layout());
  const Tensor& weights = trial.input(planned.weights);
  trial.run(planned.primitive, {{Role::src, &src}, {Role::weights, &weights}, {Role::dst, &dst}});
  trial.count(2.0 * static_cast<double>(rows * dim * dim), Unit::matrix);
  trial.expect(dst, [=, &src, &weights](const Index& at) {
    double sum = 0.0;
    for (std::int64_t k = 0; k < dim; ++k) sum += src.at({at[0], k}) * weights.at({k, at[1]});
    return sum;
  });
}

}  // namespace

std::vector<Operation> convolution_operations() {
  using T = Trial;
  const std::string patches = "patch embedding";
  const std::string depthwise = "depthwise convolution";
  const std::string pointwise = "pointwise convolution";
  return {
      {patches, "forward", "oneDNN", [](T& t) { forward(t, t.setting().patch_embedding()); }},
      {patches, "backward data", "oneDNN", [](T& t) { backward_data(t, t.setting().patch_embedding()); }},
      {patches, "backward weights", "oneDNN", [](T& t) { backward_weights(t, t.setting().patch_embedding()); }},
      {depthwise, "forward", "oneDNN", [](T& t) { forward(t, t.setting().depthwise()); }},
      {depthwise, "backward data", "oneDNN", [](T& t) { backward_data(t, t.setting().depthwise()); }},
      {depthwise, "backward weights", "oneDNN", [](T& t) { backward_weights(t, t.setting().depthwise()); }},
      {depthwise, "backward weights", "hand-written", hand_written_depthwise_backward_weights},
      {pointwise, "forward", "oneDNN", [](T& t) { forward(t, t.setting().pointwise()); }},
      {pointwise, "backward data", "oneDNN", [](T& t) { backward_data(t, t.setting().pointwise()); }},
      {pointwise, "backward weights", "oneDNN", [](T& t) { backward_weights(t, t.setting().pointwise()); }},
      {"matrix product", "forward", "oneDNN", matrix_product},
  };
}

}  // namespace convmixer::perf

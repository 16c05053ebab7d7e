// Global average pooling and the classifier. (Plans have both in f32 at any precision.)
#include "operation.hpp"

namespace convmixer::perf {

namespace {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Role;

Layout pooled(const Trial& trial) {
  const Layout image = trial.activations();
  return {{image.shape()[0], image.shape()[1], 1, 1}, image.type(), image.format()};
}

double pixels(const Trial& trial) {
  const Shape shape = trial.setting().activations();
  return static_cast<double>(shape[2] * shape[3]);
}

void pool_forward(Trial& trial) {
  const Tensor& src = trial.input(trial.activations());
  const Tensor& dst = trial.output(pooled(trial));
  trial.run(kernels::average_pool_forward(trial.runtime(), src.layout(), dst.layout(), true),
            {{Role::src, &src}, {Role::dst, &dst}});
  trial.count(static_cast<double>(src.shape().count()), Unit::vector);
  trial.expect(dst, [&src, n = pixels(trial)](const Index& at) {
    double sum = 0.0;
    for (std::int64_t h = 0; h < src.shape()[2]; ++h) {
      for (std::int64_t w = 0; w < src.shape()[3]; ++w) sum += src.at({at[0], at[1], h, w});
    }
    return sum / n;
  });
}

void pool_backward(Trial& trial) {
  const Tensor& diff_dst = trial.input(pooled(trial));
  const Tensor& diff_src = trial.output(trial.activations());
  trial.run(kernels::average_pool_backward(trial.runtime(), diff_src.layout(), diff_dst.layout()),
            {{Role::diff_src, &diff_src}, {Role::diff_dst, &diff_dst}});
  trial.count(static_cast<double>(diff_src.shape().count()), Unit::vector);
  trial.expect(diff_src, [&diff_dst, n = pixels(trial)](const Index& at) {
    return diff_dst.at({at[0], at[1], 0, 0}) / n;
  });
}

/// Features (N, D) or logits (N, classes), row-major.
Layout rows(const Trial& trial, int columns, ElementType type) {
  return {{trial.setting().batch, columns}, type, Format::plain};
}

/// 2 N D classes, for each of the three directions.
void count_linear(Trial& trial) {
  const NetworkShapes shapes = trial.setting().shapes();
  trial.count(2.0 * static_cast<double>(trial.setting().batch * shapes.dim * shapes.classes), Unit::matrix);
}

void linear_forward(Trial& trial) {
  const NetworkShapes shapes = trial.setting().shapes();
  const Tensor& src = trial.input(rows(trial, shapes.dim, trial.setting().type));
  const Tensor& dst = trial.output(rows(trial, shapes.classes, ElementType::f32));
  const auto planned = kernels::linear_forward(trial.runtime(), src.layout(), dst.layout(), true);
  const Tensor& weights = trial.input(planned.weights);
  const Tensor& bias = trial.input_vector(shapes.classes);
  trial.run(planned.primitive, {{Role::src, &src}, {Role::weights, &weights}, {Role::bias, &bias}, {Role::dst, &dst}});
  count_linear(trial);
  trial.expect(dst, [&src, &weights, &bias](const Index& at) {
    double sum = bias.at({at[1]});
    for (std::int64_t i = 0; i < src.shape()[1]; ++i) sum += src.at({at[0], i}) * weights.at({at[1], i});
    return sum;
  });
}

void linear_backward_data(Trial& trial) {
  const NetworkShapes shapes = trial.setting().shapes();
  const Tensor& diff_dst = trial.input(rows(trial, shapes.classes, trial.setting().type));
  const Tensor& diff_src = trial.output(rows(trial, shapes.dim, trial.setting().type));
  const auto planned = kernels::linear_backward_data(trial.runtime(), diff_src.layout(), diff_dst.layout());
  const Tensor& weights = trial.input(planned.weights);
  trial.run(planned.primitive, {{Role::diff_src, &diff_src}, {Role::weights, &weights}, {Role::diff_dst, &diff_dst}});
  count_linear(trial);
  trial.expect(diff_src, [&diff_dst, &weights](const Index& at) {
    double sum = 0.0;
    for (std::int64_t o = 0; o < diff_dst.shape()[1]; ++o) sum += diff_dst.at({at[0], o}) * weights.at({o, at[1]});
    return sum;
  });
}

void linear_backward_weights(Trial& trial) {
  const NetworkShapes shapes = trial.setting().shapes();
  const Tensor& src = trial.input(rows(trial, shapes.dim, trial.setting().type));
  const Tensor& diff_dst = trial.input(rows(trial, shapes.classes, trial.setting().type));
  const auto planned = kernels::linear_backward_weights(trial.runtime(), src.layout(), diff_dst.layout());
  const Tensor& diff_weights = trial.output(planned.weights);
  const Tensor& diff_bias = trial.output_vector(shapes.classes);
  trial.run(planned.primitive, {{Role::src, &src},
                                {Role::diff_weights, &diff_weights},
                                {Role::diff_bias, &diff_bias},
                                {Role::diff_dst, &diff_dst}});
  count_linear(trial);
  trial.expect(diff_weights, [&src, &diff_dst](const Index& at) {
    double sum = 0.0;
    for (std::int64_t n = 0; n < src.shape()[0]; ++n) sum += diff_dst.at({n, at[0]}) * src.at({n, at[1]});
    return sum;
  });
}

}  // namespace

std::vector<Operation> head_operations() {
  return {
      {"average pool", "forward", "oneDNN", pool_forward},
      {"average pool", "backward", "oneDNN", pool_backward},
      {"linear", "forward", "oneDNN", linear_forward},
      {"linear", "backward data", "oneDNN", linear_backward_data},
      {"linear", "backward weights", "oneDNN", linear_backward_weights},
  };
}

}  // namespace convmixer::perf

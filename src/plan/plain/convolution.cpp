#include "kernels/plain/depthwise_weight_gradient.hpp"
#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::ConvolutionProblem;
using kernels::Layout;
using kernels::PlannedConvolution;
using kernels::Role;

// With stride s and `begin` zeros of padding before the image, zeros after it, over the channels i of o's group:
//   y[n, o, h, w] = bias[o] + sum over i, kh, kw of weight[o, i, kh, kw] x[n, i, s h + kh - begin, s w + kw - begin]
// and, with sums over every place that reads it:
//   dx[n, i, s h + kh - begin, s w + kw - begin] = sum over o, kh, kw of weight[o, i, kh, kw] dy[n, o, h, w]
//   dweight[o, i, kh, kw] = sum over n, h, w of dy[n, o, h, w] x[n, i, s h + kh - begin, s w + kw - begin]
//   dbias[o] = sum over n, h, w of dy[n, o, h, w]
// Without a bias, there is none to add and no dbias.

namespace {

std::string name_of(const Convolution& convolution) {
  if (convolution.groups > 1) return "depthwise convolution";
  return convolution.kernel == 1 ? "pointwise convolution" : "convolution";
}

/// In the layout that a primitive wants.
BufferId weights_as(Builder& builder, const Convolution& convolution, const ConvolutionProblem& problem,
                    const Layout& wanted) {
  return builder.convert(builder.add_fixed(builder.parameters().value(convolution.weight), problem.weights()), wanted);
}

/// By the hand-written kernel, whatever type the gradient of the output has.
void depthwise_backward_weights(Builder& builder, const Convolution& convolution, const ConvolutionProblem& problem) {
  using kernels::DepthwiseWeightGradient;
  const BufferId src = builder.value(builder.input());
  const Layout dst = builder.layout(builder.value(builder.output()));
  const BufferId given = builder.output_gradient();
  const BufferId diff_dst = builder.convert(given, Layout(dst.shape(), builder.layout(given).type(), dst.format()));
  const Layout src_layout = builder.layout(src);
  const Layout diff_dst_layout = builder.layout(diff_dst);
  const BufferId diff_bias =
      convolution.bias == kNoParameter
          ? builder.add_buffer(Layout(Shape{problem.dst[1]}, kernels::ElementType::f32, kernels::Format::plain))
          : builder.add_fixed(builder.parameters().gradient(convolution.bias));
  const BufferId working =
      builder.add_working_memory(kernels::depthwise_weight_gradient_doubles(builder.runtime(), problem));
  KernelOperands<DepthwiseWeightGradient> operands(builder);
  operands.bind(&DepthwiseWeightGradient::src, src)
      .bind(&DepthwiseWeightGradient::diff_dst, diff_dst)
      .bind(&DepthwiseWeightGradient::diff_weights,
            builder.add_fixed(builder.parameters().gradient(convolution.weight)))
      .bind(&DepthwiseWeightGradient::diff_bias, diff_bias)
      .bind(&DepthwiseWeightGradient::working, working);
  builder.add_step(name_of(convolution), "backward weights", src_layout,
                   operands.call([&runtime = builder.runtime(), problem, src_layout,
                                  diff_dst_layout](const DepthwiseWeightGradient& memory) {
                     kernels::depthwise_weight_gradient(runtime, problem, src_layout, diff_dst_layout, memory);
                   }));
}

/// By oneDNN.
void backward_weights(Builder& builder, const Convolution& convolution, const ConvolutionProblem& problem) {
  const BufferId src = builder.value(builder.input());
  const Layout dst = builder.layout(builder.value(builder.output()));
  const PlannedConvolution planned =
      builder.choice().backward_weights(builder.node().name, problem, builder.layout(src), dst);
  const BufferId converted = builder.convert(src, planned.src);
  const BufferId diff_dst = builder.convert(builder.output_gradient(), planned.dst);
  const BufferId gradient = builder.add_fixed(builder.parameters().gradient(convolution.weight), problem.weights());
  const BufferId diff_weights = builder.begin_weight_gradient(gradient, planned.weights);
  std::vector<PrimitiveStep::Operand> operands{
      {Role::src, converted}, {Role::diff_weights, diff_weights}, {Role::diff_dst, diff_dst}};
  if (problem.with_bias) {
    operands.push_back({Role::diff_bias, builder.add_fixed(builder.parameters().gradient(convolution.bias))});
  }
  builder.add_step(name_of(convolution), "backward weights", planned.primitive, planned.src, std::move(operands));
  builder.finish_weight_gradient(diff_weights, gradient);
}

void backward_data(Builder& builder, const Convolution& convolution, const ConvolutionProblem& problem) {
  const PlannedConvolution planned =
      builder.choice().backward_data(builder.node().name, problem, builder.layout(builder.value(builder.input())),
                                     builder.layout(builder.value(builder.output())));
  const BufferId diff_dst = builder.convert(builder.output_gradient(), planned.dst);
  const BufferId weights = weights_as(builder, convolution, problem, planned.weights);
  const BufferId diff_src = builder.add_buffer(planned.src);
  builder.add_step(name_of(convolution), "backward data", planned.primitive, planned.src,
                   {{Role::diff_src, diff_src}, {Role::weights, weights}, {Role::diff_dst, diff_dst}});
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace

ConvolutionProblem convolution_problem(const Builder& builder, const Node& node, const Convolution& convolution) {
  return {.src = builder.batch_shape(node.inputs[0]),
          .dst = builder.batch_shape(node.output),
          .kernel = convolution.kernel,
          .stride = convolution.stride,
          .groups = convolution.groups,
          .padding_begin = convolution.padding_begin,
          .padding_end = convolution.padding_end,
          .training = builder.training(),
          .with_bias = convolution.bias != kNoParameter};
}

void forward(Builder& builder, const Convolution& convolution) {
  const BufferId given = builder.value(builder.input());
  const bool is_image = builder.input() == builder.graph().input();
  const ConvolutionProblem problem = convolution_problem(builder, builder.node(), convolution);
  const PlannedConvolution planned =
      builder.choice().forward(builder.node().name, problem, builder.layout(given), /*fixed_src=*/!is_image);
  const BufferId src = builder.convert(given, planned.src);
  if (is_image) builder.set_value(builder.input(), src);  // the weight gradient then finds it converted
  const BufferId weights = weights_as(builder, convolution, problem, planned.weights);
  const BufferId dst = builder.add_buffer(planned.dst);
  builder.set_value(builder.output(), dst);
  std::vector<PrimitiveStep::Operand> operands{{Role::src, src}, {Role::weights, weights}, {Role::dst, dst}};
  if (problem.with_bias) {
    operands.push_back({Role::bias, builder.add_fixed(builder.parameters().value(convolution.bias))});
  }
  builder.add_step(name_of(convolution), "forward", planned.primitive, planned.src, std::move(operands));
}

void backward(Builder& builder, const Convolution& convolution) {
  const ConvolutionProblem problem = convolution_problem(builder, builder.node(), convolution);
  const Layout src = builder.layout(builder.value(builder.input()));
  const Layout dst = builder.layout(builder.value(builder.output()));
  if (!builder.onednn_alone() && kernels::has_depthwise_weight_gradient(problem, src, dst)) {
    depthwise_backward_weights(builder, convolution, problem);
  } else {
    backward_weights(builder, convolution, problem);
  }
  if (builder.wants_gradient(builder.input())) backward_data(builder, convolution, problem);
}

}  // namespace convmixer

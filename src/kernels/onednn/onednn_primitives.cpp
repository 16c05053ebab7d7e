// Primitive descriptions of what has no file of its own.
#include "kernels/onednn/primitive_description.hpp"

#include <utility>
#include <vector>

namespace convmixer::kernels {

namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;

struct ConvolutionDims {
  memory::dims strides;
  memory::dims padding_begin;
  memory::dims padding_end;
};

ConvolutionDims dims_of(const ConvolutionProblem& problem) {
  return {{problem.stride, problem.stride},
          {problem.padding_begin, problem.padding_begin},
          {problem.padding_end, problem.padding_end}};
}

memory::desc bias_descriptor(std::int64_t channels) {
  return {{channels}, memory::data_type::f32, memory::format_tag::a};
}

/// Forward description with oneDNN's choice of layouts: what backward descriptions want as a hint.
dnnl::convolution_forward::primitive_desc forward_hint(Runtime& runtime, const ConvolutionProblem& problem,
                                                       const memory::desc& src, const memory::desc& weights,
                                                       const memory::desc& dst) {
  const ConvolutionDims dims = dims_of(problem);
  if (!problem.with_bias) {
    return CONVMIXER_DESCRIBE(convolution_forward, runtime.handles().engine, user_scratchpad(),
                              forward_kind(problem.training), algorithm::convolution_direct, src, weights, dst,
                              dims.strides, dims.padding_begin, dims.padding_end);
  }
  return CONVMIXER_DESCRIBE(convolution_forward, runtime.handles().engine, user_scratchpad(),
                            forward_kind(problem.training), algorithm::convolution_direct, src, weights,
                            bias_descriptor(problem.dst[1]), dst, dims.strides, dims.padding_begin, dims.padding_end);
}

}  // namespace

Shape ConvolutionProblem::weights() const {
  if (groups == 1) return {dst[1], src[1], kernel, kernel};
  return {groups, dst[1] / groups, src[1] / groups, kernel, kernel};
}

std::optional<PlannedConvolution> convolution_forward(Runtime& runtime, const ConvolutionProblem& problem,
                                                      const Layout& src, const Layout& dst) {
  try {
    const auto description =
        forward_hint(runtime, problem, descriptor(src), any_descriptor(problem.weights(), src.type()), descriptor(dst));
    return PlannedConvolution{wrap<dnnl::convolution_forward>(description), layout_of(description.src_desc()),
                              layout_of(description.weights_desc()), layout_of(description.dst_desc())};
  } catch (const dnnl::error&) {
    return std::nullopt;
  }
}

std::optional<PlannedConvolution> convolution_backward_data(Runtime& runtime, const ConvolutionProblem& problem,
                                                            const Layout& diff_src, const Layout& diff_dst) {
  try {
    const memory::desc weights = any_descriptor(problem.weights(), diff_src.type());
    const auto hint = forward_hint(runtime, problem, descriptor(diff_src), weights, descriptor(diff_dst));
    const ConvolutionDims dims = dims_of(problem);
    const auto description = CONVMIXER_DESCRIBE_BACKWARD(
        convolution_backward_data, runtime.handles().engine, user_scratchpad(), hint, algorithm::convolution_direct,
        descriptor(diff_src), weights, descriptor(diff_dst), dims.strides, dims.padding_begin, dims.padding_end);
    return PlannedConvolution{wrap<dnnl::convolution_backward_data>(description),
                              layout_of(description.diff_src_desc()), layout_of(description.weights_desc()),
                              layout_of(description.diff_dst_desc())};
  } catch (const dnnl::error&) {
    return std::nullopt;
  }
}

std::optional<PlannedConvolution> convolution_backward_weights(Runtime& runtime, const ConvolutionProblem& problem,
                                                               const Layout& src, const Layout& diff_dst) {
  try {
    const auto hint = forward_hint(runtime, problem, descriptor(src), any_descriptor(problem.weights(), src.type()),
                                   descriptor(diff_dst));
    const ConvolutionDims dims = dims_of(problem);
    const memory::desc weights = any_descriptor(problem.weights(), ElementType::f32);
    const auto description =
        problem.with_bias
            ? CONVMIXER_DESCRIBE_BACKWARD(convolution_backward_weights, runtime.handles().engine, user_scratchpad(),
                                          hint, algorithm::convolution_direct, descriptor(src), weights,
                                          bias_descriptor(problem.dst[1]), descriptor(diff_dst), dims.strides,
                                          dims.padding_begin, dims.padding_end)
            : CONVMIXER_DESCRIBE_BACKWARD(convolution_backward_weights, runtime.handles().engine, user_scratchpad(),
                                          hint, algorithm::convolution_direct, descriptor(src), weights,
                                          descriptor(diff_dst), dims.strides, dims.padding_begin, dims.padding_end);
    return PlannedConvolution{wrap<dnnl::convolution_backward_weights>(description), layout_of(description.src_desc()),
                              layout_of(description.diff_weights_desc()), layout_of(description.diff_dst_desc())};
  } catch (const dnnl::error&) {
    return std::nullopt;
  }
}

namespace {

dnnl::eltwise_forward::primitive_desc describe_gelu(Runtime& runtime, const Layout& layout, bool training) {
  const memory::desc& md = descriptor(layout);
#if DNNL_VERSION_MAJOR >= 3
  return CONVMIXER_DESCRIBE(eltwise_forward, runtime.handles().engine, user_scratchpad(), forward_kind(training),
                            algorithm::eltwise_gelu_erf, md, md, 0.0F, 0.0F);
#else
  return CONVMIXER_DESCRIBE(eltwise_forward, runtime.handles().engine, user_scratchpad(), forward_kind(training),
                            algorithm::eltwise_gelu_erf, md, 0.0F, 0.0F);
#endif
}

/// With or without `of_batch`, mean and variance are src's or given.
dnnl::normalization_flags norm_flags(bool of_batch) {
  using dnnl::normalization_flags;
  const auto affine = normalization_flags::use_scale | normalization_flags::use_shift;
  return of_batch ? affine : affine | normalization_flags::use_global_stats;
}

dnnl::batch_normalization_forward::primitive_desc describe_batch_norm(Runtime& runtime, const Layout& layout,
                                                                      float epsilon, bool training,
                                                                      dnnl::normalization_flags flags) {
  const memory::desc& md = descriptor(layout);
#if DNNL_VERSION_MAJOR >= 3
  return CONVMIXER_DESCRIBE(batch_normalization_forward, runtime.handles().engine, user_scratchpad(),
                            forward_kind(training), md, md, epsilon, flags);
#else
  return CONVMIXER_DESCRIBE(batch_normalization_forward, runtime.handles().engine, user_scratchpad(),
                            forward_kind(training), md, epsilon, flags);
#endif
}

dnnl::pooling_forward::primitive_desc describe_average_pool(Runtime& runtime, const Layout& src, const Layout& dst,
                                                            bool training) {
  const memory::dims window = {src.shape()[2], src.shape()[3]};
  const memory::dims none = {0, 0};
#if DNNL_VERSION_MAJOR >= 3
  return CONVMIXER_DESCRIBE(pooling_forward, runtime.handles().engine, user_scratchpad(), forward_kind(training),
                            algorithm::pooling_avg_exclude_padding, descriptor(src), descriptor(dst), window, window,
                            none, none, none);
#else
  return CONVMIXER_DESCRIBE(pooling_forward, runtime.handles().engine, user_scratchpad(), forward_kind(training),
                            algorithm::pooling_avg_exclude_padding, descriptor(src), descriptor(dst), window, window,
                            none, none);
#endif
}

dnnl::inner_product_forward::primitive_desc describe_linear(Runtime& runtime, const memory::desc& src,
                                                            const memory::desc& weights, const memory::desc& dst,
                                                            std::int64_t outputs, bool training, bool with_bias) {
  const dnnl::engine& engine = runtime.handles().engine;
  if (!with_bias) {
    return CONVMIXER_DESCRIBE(inner_product_forward, engine, user_scratchpad(), forward_kind(training), src, weights,
                              dst);
  }
  return CONVMIXER_DESCRIBE(inner_product_forward, engine, user_scratchpad(), forward_kind(training), src, weights,
                            bias_descriptor(outputs), dst);
}

Shape linear_weights(const Layout& src, const Layout& dst) { return {dst.shape()[1], src.shape()[1]}; }

}  // namespace

Primitive gelu_forward(Runtime& runtime, const Layout& layout, bool training) {
  return describe_or_fail("GELU", layout,
                          [&] { return wrap<dnnl::eltwise_forward>(describe_gelu(runtime, layout, training)); });
}

Primitive gelu_backward(Runtime& runtime, const Layout& layout) {
  return describe_or_fail("GELU gradient", layout, [&] {
    const memory::desc& md = descriptor(layout);
    const auto hint = describe_gelu(runtime, layout, true);
#if DNNL_VERSION_MAJOR >= 3
    return wrap<dnnl::eltwise_backward>(
        CONVMIXER_DESCRIBE_BACKWARD(eltwise_backward, runtime.handles().engine, user_scratchpad(), hint,
                                    algorithm::eltwise_gelu_erf, md, md, md, 0.0F, 0.0F));
#else
    return wrap<dnnl::eltwise_backward>(CONVMIXER_DESCRIBE_BACKWARD(eltwise_backward, runtime.handles().engine,
                                                                    user_scratchpad(), hint,
                                                                    algorithm::eltwise_gelu_erf, md, md, 0.0F, 0.0F));
#endif
  });
}

Primitive batch_norm_forward(Runtime& runtime, const Layout& layout, float epsilon, bool training) {
  return describe_or_fail("batch norm", layout, [&] {
    return wrap<dnnl::batch_normalization_forward>(
        describe_batch_norm(runtime, layout, epsilon, training, norm_flags(training)));
  });
}

Primitive batch_norm_backward(Runtime& runtime, const Layout& layout, float epsilon, bool of_batch) {
  return describe_or_fail("batch norm gradient", layout, [&] {
    const auto flags = norm_flags(of_batch);
    const memory::desc& md = descriptor(layout);
    const auto hint = describe_batch_norm(runtime, layout, epsilon, true, flags);
#if DNNL_VERSION_MAJOR >= 3
    return wrap<dnnl::batch_normalization_backward>(
        CONVMIXER_DESCRIBE_BACKWARD(batch_normalization_backward, runtime.handles().engine, user_scratchpad(), hint,
                                    prop_kind::backward, md, md, md, epsilon, flags));
#else
    return wrap<dnnl::batch_normalization_backward>(
        CONVMIXER_DESCRIBE_BACKWARD(batch_normalization_backward, runtime.handles().engine, user_scratchpad(), hint,
                                    prop_kind::backward, md, md, epsilon, flags));
#endif
  });
}

Primitive add(Runtime& runtime, const Layout& layout) { return weighted_sum(runtime, layout, 1.0F, 1.0F); }

Primitive weighted_sum(Runtime& runtime, const Layout& layout, float weight0, float weight1) {
  return describe_or_fail("sum", layout, [&] {
    const std::vector<float> scales = {weight0, weight1};
    const std::vector<memory::desc> sources = {descriptor(layout), descriptor(layout)};
    const dnnl::engine& engine = runtime.handles().engine;
#if DNNL_VERSION_MAJOR >= 3
    return wrap<dnnl::sum>(dnnl::sum::primitive_desc(engine, descriptor(layout), scales, sources, user_scratchpad()));
#else
    return wrap<dnnl::sum>(
        dnnl::sum::primitive_desc(descriptor(layout), scales, sources, engine, user_scratchpad()));
#endif
  });
}

Primitive average_pool_forward(Runtime& runtime, const Layout& src, const Layout& dst, bool training) {
  return describe_or_fail("average pooling", src, [&] {
    return wrap<dnnl::pooling_forward>(describe_average_pool(runtime, src, dst, training));
  });
}

Primitive average_pool_backward(Runtime& runtime, const Layout& diff_src, const Layout& diff_dst) {
  return describe_or_fail("average pooling gradient", diff_src, [&] {
    const auto hint = describe_average_pool(runtime, diff_src, diff_dst, true);
    const memory::dims window = {diff_src.shape()[2], diff_src.shape()[3]};
    const memory::dims none = {0, 0};
#if DNNL_VERSION_MAJOR >= 3
    return wrap<dnnl::pooling_backward>(CONVMIXER_DESCRIBE_BACKWARD(
        pooling_backward, runtime.handles().engine, user_scratchpad(), hint, algorithm::pooling_avg_exclude_padding,
        descriptor(diff_src), descriptor(diff_dst), window, window, none, none, none));
#else
    return wrap<dnnl::pooling_backward>(CONVMIXER_DESCRIBE_BACKWARD(
        pooling_backward, runtime.handles().engine, user_scratchpad(), hint, algorithm::pooling_avg_exclude_padding,
        descriptor(diff_src), descriptor(diff_dst), window, window, none, none));
#endif
  });
}

PlannedLinear linear_forward(Runtime& runtime, const Layout& src, const Layout& dst, bool training, bool with_bias) {
  return describe_or_fail("inner product", src, [&] {
    const auto description =
        describe_linear(runtime, descriptor(src), any_descriptor(linear_weights(src, dst), src.type()), descriptor(dst),
                        dst.shape()[1], training, with_bias);
    return PlannedLinear{wrap<dnnl::inner_product_forward>(description), layout_of(description.weights_desc())};
  });
}

PlannedLinear linear_backward_data(Runtime& runtime, const Layout& diff_src, const Layout& diff_dst) {
  return describe_or_fail("inner product gradient", diff_src, [&] {
    const memory::desc weights = any_descriptor(linear_weights(diff_src, diff_dst), diff_src.type());
    const auto hint =
        describe_linear(runtime, descriptor(diff_src), weights, descriptor(diff_dst), diff_dst.shape()[1], true, true);
    const auto description =
        CONVMIXER_DESCRIBE_BACKWARD(inner_product_backward_data, runtime.handles().engine, user_scratchpad(), hint,
                                    descriptor(diff_src), weights, descriptor(diff_dst));
    return PlannedLinear{wrap<dnnl::inner_product_backward_data>(description), layout_of(description.weights_desc())};
  });
}

PlannedLinear linear_backward_weights(Runtime& runtime, const Layout& src, const Layout& diff_dst, bool with_bias) {
  return describe_or_fail("inner product weight gradient", src, [&] {
    const dnnl::engine& engine = runtime.handles().engine;
    const Shape shape = linear_weights(src, diff_dst);
    const memory::desc weights = any_descriptor(shape, ElementType::f32);
    const auto hint = describe_linear(runtime, descriptor(src), any_descriptor(shape, src.type()), descriptor(diff_dst),
                                      diff_dst.shape()[1], true, with_bias);
    const auto description =
        with_bias ? CONVMIXER_DESCRIBE_BACKWARD(inner_product_backward_weights, engine, user_scratchpad(), hint,
                                                descriptor(src), weights, bias_descriptor(diff_dst.shape()[1]),
                                                descriptor(diff_dst))
                  : CONVMIXER_DESCRIBE_BACKWARD(inner_product_backward_weights, engine, user_scratchpad(), hint,
                                                descriptor(src), weights, descriptor(diff_dst));
    return PlannedLinear{wrap<dnnl::inner_product_backward_weights>(description),
                         layout_of(description.diff_weights_desc())};
  });
}

PlannedMatrixProduct matrix_product(Runtime& runtime, const Layout& src, const Layout& dst) {
  return describe_or_fail("matrix product", src, [&] {
    const memory::desc weights = any_descriptor({src.shape()[1], dst.shape()[1]}, src.type());
    const auto description = CONVMIXER_DESCRIBE(matmul, runtime.handles().engine, user_scratchpad(), descriptor(src),
                                                weights, descriptor(dst));
    return PlannedMatrixProduct{wrap<dnnl::matmul>(description), layout_of(description.weights_desc())};
  });
}

Primitive strided_product(Runtime& runtime, const ProductOperands& operands, bool accumulate) {
  return describe_or_fail("matrix product", operands.a, [&] {
    dnnl::primitive_attr attributes = user_scratchpad();
    if (accumulate) {
      dnnl::post_ops sum;
      sum.append_sum(1.0F);
      attributes.set_post_ops(sum);
    }
    const dnnl::engine& engine = runtime.handles().engine;
    const memory::desc& a = descriptor(operands.a);
    const memory::desc& dst = descriptor(operands.dst);
    if (operands.bias != nullptr) {
      const auto description =
          CONVMIXER_DESCRIBE(matmul, engine, attributes, a, operands.b, descriptor(*operands.bias), dst);
      operands.chosen_b = layout_of(description.weights_desc());
      return wrap<dnnl::matmul>(description);
    }
    const auto description = CONVMIXER_DESCRIBE(matmul, engine, attributes, a, operands.b, dst);
    operands.chosen_b = layout_of(description.weights_desc());
    return wrap<dnnl::matmul>(description);
  });
}

Primitive reorder(Runtime& runtime, const Layout& from, const Layout& to) {
  return describe_or_fail("reorder", from, [&] {
    const dnnl::engine& engine = runtime.handles().engine;
    return wrap<dnnl::reorder>(
        dnnl::reorder::primitive_desc(engine, descriptor(from), engine, descriptor(to), user_scratchpad()));
  });
}

}  // namespace convmixer::kernels

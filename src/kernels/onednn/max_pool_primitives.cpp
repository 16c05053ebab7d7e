#include "kernels/onednn/primitive_description.hpp"

namespace convmixer::kernels {

using dnnl::algorithm;
using dnnl::memory;

namespace {

dnnl::pooling_forward::primitive_desc describe_max_pool(Runtime& runtime, const MaxPoolProblem& problem,
                                                        const Layout& src, const Layout& dst) {
  const memory::dims window = {problem.kernel, problem.kernel};
  const memory::dims strides = {problem.stride, problem.stride};
  const memory::dims padding = {problem.padding, problem.padding};
#if DNNL_VERSION_MAJOR >= 3
  const memory::dims dense = {0, 0};
  return CONVMIXER_DESCRIBE(pooling_forward, runtime.handles().engine, user_scratchpad(),
                            forward_kind(problem.training), algorithm::pooling_max, descriptor(src), descriptor(dst),
                            strides, window, dense, padding, padding);
#else
  return CONVMIXER_DESCRIBE(pooling_forward, runtime.handles().engine, user_scratchpad(),
                            forward_kind(problem.training), algorithm::pooling_max, descriptor(src), descriptor(dst),
                            strides, window, padding, padding);
#endif
}

}  // namespace

PlannedMaxPool max_pool_forward(Runtime& runtime, const MaxPoolProblem& problem, const Layout& src, const Layout& dst) {
  return describe_or_fail("max pooling", src, [&] {
    const auto description = describe_max_pool(runtime, problem, src, dst);
    PlannedMaxPool planned{wrap<dnnl::pooling_forward>(description), layout_of(description.dst_desc()), {}};
    if (problem.training) planned.workspace = layout_of(description.workspace_desc());
    return planned;
  });
}

PlannedMaxPool max_pool_backward(Runtime& runtime, const MaxPoolProblem& problem, const Layout& diff_src,
                                 const Layout& diff_dst) {
  return describe_or_fail("max pooling gradient", diff_src, [&] {
    const auto hint = describe_max_pool(runtime, problem, diff_src, diff_dst);
    const memory::dims window = {problem.kernel, problem.kernel};
    const memory::dims strides = {problem.stride, problem.stride};
    const memory::dims padding = {problem.padding, problem.padding};
#if DNNL_VERSION_MAJOR >= 3
    const memory::dims dense = {0, 0};
    const auto description = CONVMIXER_DESCRIBE_BACKWARD(
        pooling_backward, runtime.handles().engine, user_scratchpad(), hint, algorithm::pooling_max,
        descriptor(diff_src), descriptor(diff_dst), strides, window, dense, padding, padding);
#else
    const auto description = CONVMIXER_DESCRIBE_BACKWARD(
        pooling_backward, runtime.handles().engine, user_scratchpad(), hint, algorithm::pooling_max,
        descriptor(diff_src), descriptor(diff_dst), strides, window, padding, padding);
#endif
    return PlannedMaxPool{wrap<dnnl::pooling_backward>(description), layout_of(description.diff_dst_desc()),
                          layout_of(description.workspace_desc())};
  });
}

}  // namespace convmixer::kernels

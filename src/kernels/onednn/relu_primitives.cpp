#include "kernels/onednn/primitive_description.hpp"

namespace convmixer::kernels {

using dnnl::algorithm;
using dnnl::memory;

namespace {

dnnl::eltwise_forward::primitive_desc describe_relu(Runtime& runtime, const Layout& layout, bool training) {
  const memory::desc& md = descriptor(layout);
  constexpr auto kRelu = algorithm::eltwise_relu_use_dst_for_bwd;
#if DNNL_VERSION_MAJOR >= 3
  return CONVMIXER_DESCRIBE(eltwise_forward, runtime.handles().engine, user_scratchpad(), forward_kind(training), kRelu,
                            md, md, 0.0F, 0.0F);
#else
  return CONVMIXER_DESCRIBE(eltwise_forward, runtime.handles().engine, user_scratchpad(), forward_kind(training), kRelu,
                            md, 0.0F, 0.0F);
#endif
}

}  // namespace

Primitive relu_forward(Runtime& runtime, const Layout& layout, bool training) {
  return describe_or_fail("ReLU", layout,
                          [&] { return wrap<dnnl::eltwise_forward>(describe_relu(runtime, layout, training)); });
}

Primitive relu_backward(Runtime& runtime, const Layout& layout) {
  return describe_or_fail("ReLU gradient", layout, [&] {
    const memory::desc& md = descriptor(layout);
    const auto hint = describe_relu(runtime, layout, true);
    constexpr auto kRelu = algorithm::eltwise_relu_use_dst_for_bwd;
#if DNNL_VERSION_MAJOR >= 3
    return wrap<dnnl::eltwise_backward>(CONVMIXER_DESCRIBE_BACKWARD(
        eltwise_backward, runtime.handles().engine, user_scratchpad(), hint, kRelu, md, md, md, 0.0F, 0.0F));
#else
    return wrap<dnnl::eltwise_backward>(CONVMIXER_DESCRIBE_BACKWARD(
        eltwise_backward, runtime.handles().engine, user_scratchpad(), hint, kRelu, md, md, 0.0F, 0.0F));
#endif
  });
}

}  // namespace convmixer::kernels

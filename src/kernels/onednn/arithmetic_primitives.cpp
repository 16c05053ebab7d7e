// oneDNN's arithmetic of tensors, where a dimension of 1 stands for all places of the other's.
#include "kernels/onednn/primitive_description.hpp"

namespace convmixer::kernels {

namespace {

Primitive binary(Runtime& runtime, dnnl::algorithm algorithm, const char* name, const Layout& layout,
                 const Layout& second) {
  return describe_or_fail(name, layout, [&] {
    return wrap<dnnl::binary>(CONVMIXER_DESCRIBE(binary, runtime.handles().engine, user_scratchpad(), algorithm,
                                                 descriptor(layout), descriptor(second), descriptor(layout)));
  });
}

}  // namespace

Primitive broadcast_add(Runtime& runtime, const Layout& layout, const Layout& second) {
  return binary(runtime, dnnl::algorithm::binary_add, "sum", layout, second);
}

Primitive broadcast_multiply(Runtime& runtime, const Layout& layout, const Layout& second) {
  return binary(runtime, dnnl::algorithm::binary_mul, "product", layout, second);
}

Primitive scale_and_shift(Runtime& runtime, const Layout& layout, float factor, float addend) {
  return describe_or_fail("linear function", layout, [&] {
    const dnnl::engine& engine = runtime.handles().engine;
    constexpr auto kForward = dnnl::prop_kind::forward_inference;
    constexpr auto kLinear = dnnl::algorithm::eltwise_linear;
    const dnnl::memory::desc& md = descriptor(layout);
#if DNNL_VERSION_MAJOR >= 3
    return wrap<dnnl::eltwise_forward>(
        CONVMIXER_DESCRIBE(eltwise_forward, engine, user_scratchpad(), kForward, kLinear, md, md, factor, addend));
#else
    return wrap<dnnl::eltwise_forward>(
        CONVMIXER_DESCRIBE(eltwise_forward, engine, user_scratchpad(), kForward, kLinear, md, factor, addend));
#endif
  });
}

Primitive reduce_sum(Runtime& runtime, const Layout& src, const Layout& dst) {
  if (src.shape() == dst.shape()) return reorder(runtime, src, dst);  // a reduction wants something to reduce
  return describe_or_fail("reduction", src, [&] {
    return wrap<dnnl::reduction>(CONVMIXER_DESCRIBE(reduction, runtime.handles().engine, user_scratchpad(),
                                                    dnnl::algorithm::reduction_sum, descriptor(src), descriptor(dst),
                                                    0.0F, 0.0F));
  });
}

}  // namespace convmixer::kernels

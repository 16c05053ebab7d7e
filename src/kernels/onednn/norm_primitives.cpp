// oneDNN's layer normalisation, and its batch normalisation without scale and shift, which a group norm is made of.
#include "kernels/onednn/primitive_description.hpp"

namespace convmixer::kernels {

namespace {

using dnnl::memory;
using dnnl::normalization_flags;
using dnnl::prop_kind;

normalization_flags affine() { return normalization_flags::use_scale | normalization_flags::use_shift; }

/// Mean and variance of each row.
memory::desc by_row(const Layout& rows) { return {{rows.shape()[0]}, memory::data_type::f32, memory::format_tag::a}; }

dnnl::layer_normalization_forward::primitive_desc describe_layer_norm(Runtime& runtime, const Layout& rows,
                                                                      float epsilon) {
  const memory::desc& md = descriptor(rows);
#if DNNL_VERSION_MAJOR >= 3
  return CONVMIXER_DESCRIBE(layer_normalization_forward, runtime.handles().engine, user_scratchpad(),
                            prop_kind::forward_training, md, md, by_row(rows), epsilon, affine());
#else
  return CONVMIXER_DESCRIBE(layer_normalization_forward, runtime.handles().engine, user_scratchpad(),
                            prop_kind::forward_training, md, by_row(rows), epsilon, affine());
#endif
}

dnnl::batch_normalization_forward::primitive_desc describe_normalisation(Runtime& runtime, const Layout& layout,
                                                                         float epsilon) {
  const memory::desc& md = descriptor(layout);
#if DNNL_VERSION_MAJOR >= 3
  return CONVMIXER_DESCRIBE(batch_normalization_forward, runtime.handles().engine, user_scratchpad(),
                            prop_kind::forward_training, md, md, epsilon, normalization_flags::none);
#else
  return CONVMIXER_DESCRIBE(batch_normalization_forward, runtime.handles().engine, user_scratchpad(),
                            prop_kind::forward_training, md, epsilon, normalization_flags::none);
#endif
}

}  // namespace

Primitive layer_norm_forward(Runtime& runtime, const Layout& rows, float epsilon) {
  return describe_or_fail("layer norm", rows, [&] {
    return wrap<dnnl::layer_normalization_forward>(describe_layer_norm(runtime, rows, epsilon));
  });
}

Primitive layer_norm_backward(Runtime& runtime, const Layout& rows, float epsilon) {
  return describe_or_fail("layer norm gradient", rows, [&] {
    const memory::desc& md = descriptor(rows);
    const auto hint = describe_layer_norm(runtime, rows, epsilon);
#if DNNL_VERSION_MAJOR >= 3
    return wrap<dnnl::layer_normalization_backward>(
        CONVMIXER_DESCRIBE_BACKWARD(layer_normalization_backward, runtime.handles().engine, user_scratchpad(), hint,
                                    prop_kind::backward, md, md, md, by_row(rows), epsilon, affine()));
#else
    return wrap<dnnl::layer_normalization_backward>(CONVMIXER_DESCRIBE_BACKWARD(
        layer_normalization_backward, runtime.handles().engine, user_scratchpad(), hint, prop_kind::backward, md, md,
        by_row(rows), epsilon, affine()));
#endif
  });
}

Primitive normalisation_forward(Runtime& runtime, const Layout& layout, float epsilon) {
  return describe_or_fail("normalisation", layout, [&] {
    return wrap<dnnl::batch_normalization_forward>(describe_normalisation(runtime, layout, epsilon));
  });
}

Primitive normalisation_backward(Runtime& runtime, const Layout& layout, float epsilon) {
  return describe_or_fail("normalisation gradient", layout, [&] {
    const memory::desc& md = descriptor(layout);
    const auto hint = describe_normalisation(runtime, layout, epsilon);
#if DNNL_VERSION_MAJOR >= 3
    return wrap<dnnl::batch_normalization_backward>(
        CONVMIXER_DESCRIBE_BACKWARD(batch_normalization_backward, runtime.handles().engine, user_scratchpad(), hint,
                                    prop_kind::backward_data, md, md, md, epsilon, normalization_flags::none));
#else
    return wrap<dnnl::batch_normalization_backward>(CONVMIXER_DESCRIBE_BACKWARD(
        batch_normalization_backward, runtime.handles().engine, user_scratchpad(), hint, prop_kind::backward_data, md,
        md, epsilon, normalization_flags::none));
#endif
  });
}

}  // namespace convmixer::kernels

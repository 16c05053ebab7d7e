// What oneDNN has for attention: products of matrices, softmax, and the parts of tokens as its descriptions name them.
#include "kernels/onednn/primitive_description.hpp"

#include <utility>
#include <vector>

namespace convmixer::kernels {

namespace {

using dnnl::memory;

memory::dims dims_of(const Shape& shape) {
  memory::dims dims;
  for (int axis = 0; axis < shape.rank(); ++axis) dims.push_back(shape[axis]);
  return dims;
}

dnnl::softmax_forward::primitive_desc describe_softmax(Runtime& runtime, const Layout& layout, bool training) {
  const memory::desc& md = descriptor(layout);
  const int axis = layout.shape().rank() - 1;
#if DNNL_VERSION_MAJOR >= 3
  return CONVMIXER_DESCRIBE(softmax_forward, runtime.handles().engine, user_scratchpad(), forward_kind(training),
                            dnnl::algorithm::softmax_accurate, md, md, axis);
#else
  return CONVMIXER_DESCRIBE(softmax_forward, runtime.handles().engine, user_scratchpad(), forward_kind(training), md,
                            axis);
#endif
}

}  // namespace

Layout transposed(const Layout& layout) {
  const int rank = layout.shape().rank();
  std::vector<int> axes;
  for (int axis = 0; axis < rank; ++axis) axes.push_back(axis);
  std::swap(axes[static_cast<std::size_t>(rank) - 2], axes[static_cast<std::size_t>(rank) - 1]);
  return layout_of(descriptor(layout).permute_axes(axes));
}

Layout part_of(const Layout& layout, const Shape& shape, const Shape& first) {
  return layout_of(descriptor(layout).submemory_desc(dims_of(shape), dims_of(first)));
}

Layout heads_of(const Layout& tokens, int heads, int parts, int part) {
  const Shape& shape = tokens.shape();
  const std::int64_t features = shape[2] / parts / heads;
  const memory::dim n = shape[0];
  const memory::dim t = shape[1];
  const memory::desc all = descriptor(tokens).reshape({n, t, parts, heads, features});
  const memory::desc one = all.submemory_desc({n, t, 1, heads, features}, {0, 0, part, 0, 0});
  return layout_of(one.reshape({n, t, heads, features}).permute_axes({0, 2, 1, 3}));
}

Primitive matrix_products(Runtime& runtime, const Layout& src, const Layout& weights, const Layout& dst) {
  return describe_or_fail("matrix product", src, [&] {
    return wrap<dnnl::matmul>(CONVMIXER_DESCRIBE(matmul, runtime.handles().engine, user_scratchpad(), descriptor(src),
                                                 descriptor(weights), descriptor(dst)));
  });
}

Primitive softmax_forward(Runtime& runtime, const Layout& layout, bool training) {
  return describe_or_fail("softmax", layout,
                          [&] { return wrap<dnnl::softmax_forward>(describe_softmax(runtime, layout, training)); });
}

Primitive softmax_backward(Runtime& runtime, const Layout& layout) {
  return describe_or_fail("softmax gradient", layout, [&] {
    const memory::desc& md = descriptor(layout);
    const int axis = layout.shape().rank() - 1;
    const auto hint = describe_softmax(runtime, layout, true);
#if DNNL_VERSION_MAJOR >= 3
    return wrap<dnnl::softmax_backward>(
        CONVMIXER_DESCRIBE_BACKWARD(softmax_backward, runtime.handles().engine, user_scratchpad(), hint,
                                    dnnl::algorithm::softmax_accurate, md, md, md, axis));
#else
    return wrap<dnnl::softmax_backward>(CONVMIXER_DESCRIBE_BACKWARD(
        softmax_backward, runtime.handles().engine, user_scratchpad(), hint, md, md, axis));
#endif
  });
}

}  // namespace convmixer::kernels

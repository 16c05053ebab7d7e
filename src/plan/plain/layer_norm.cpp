#include "kernels/plain/layer_norm.hpp"

#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"
#include "plan/plain/product_operands.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;

// By row, with mean and (biased) variance over the row's D features: Ba, Kiros & Hinton, arXiv 1607.06450.
//   xhat = (x - mean) / sqrt(variance + epsilon),  y = scale xhat + shift
//   dshift = sum over rows dy,  dscale = sum over rows dy xhat
//   dx = (g - mean(g) - xhat mean(g xhat)) / sqrt(variance + epsilon) with g = scale dy
// A row is a pixel of (C, H, W), a token of (T, D), or all of (D).

namespace {

/// f32, in an order that the kernel takes.
BufferId as_rows(Builder& builder, BufferId buffer) {
  const Layout have = builder.layout(buffer);
  if (kernels::has_rows(have)) return builder.in_type(buffer, ElementType::f32);
  return builder.convert(buffer, Layout(have.shape(), ElementType::f32, Format::channels_last));
}

BufferId add_by_row(Builder& builder, const Layout& layout) {
  return builder.add_buffer(Layout(Shape{kernels::layer_norm_rows(layout)}, ElementType::f32, Format::plain));
}

/// What convolutions read is in the plan's type.
ElementType result_type(const Builder& builder) {
  const bool is_image = builder.batch_shape(builder.output()).rank() == 4;
  return is_image ? builder.type() : token_type(builder, builder.output());
}

}  // namespace

void forward(Builder& builder, const LayerNorm& norm) {
  using kernels::LayerNormForward;
  const BufferId src = as_rows(builder, builder.value(builder.input()));
  builder.set_value(builder.input(), src);
  const Layout layout = builder.layout(src);
  const ElementType type = result_type(builder);
  const BufferId dst = builder.add_buffer(Layout(layout.shape(), type, layout.format()));
  builder.set_value(builder.output(), dst);
  const BufferId mean = add_by_row(builder, layout);
  const BufferId inverse = add_by_row(builder, layout);
  builder.kept() = {mean, inverse};
  KernelOperands<LayerNormForward> operands(builder);
  operands.bind(&LayerNormForward::src, src)
      .bind(&LayerNormForward::dst, dst)
      .bind(&LayerNormForward::mean, mean)
      .bind(&LayerNormForward::inverse_deviation, inverse)
      .bind(&LayerNormForward::scale, builder.add_fixed(builder.parameters().value(norm.scale)))
      .bind(&LayerNormForward::shift, builder.add_fixed(builder.parameters().value(norm.shift)));
  builder
      .add_step("layer norm", "forward", layout,
                operands.call([&runtime = builder.runtime(), layout, type,
                               epsilon = norm.epsilon](const LayerNormForward& memory) {
                  kernels::layer_norm(runtime, layout, type, epsilon, memory);
                }))
      .may_overwrite = {src, dst};
}

void backward(Builder& builder, const LayerNorm& norm) {
  using kernels::LayerNormBackward;
  const BufferId src = builder.value(builder.input());
  const Layout layout = builder.layout(src);
  const BufferId given = builder.output_gradient();
  const ElementType type = builder.layout(given).type();  // the kernel takes either
  const BufferId diff_dst = builder.convert(given, Layout(layout.shape(), type, layout.format()));
  // What a residual branch reads has a gradient already, which is added here.
  const BufferId other = builder.gradient(builder.input());
  const bool adds = other >= 0 && builder.layout(other) == layout;
  const BufferId diff_src = builder.add_buffer(layout);
  const BufferId working = builder.add_working_memory(kernels::layer_norm_backward_doubles(layout));
  KernelOperands<LayerNormBackward> operands(builder);
  operands.bind(&LayerNormBackward::src, src)
      .bind(&LayerNormBackward::mean, builder.kept()[0])
      .bind(&LayerNormBackward::inverse_deviation, builder.kept()[1])
      .bind(&LayerNormBackward::scale, builder.add_fixed(builder.parameters().value(norm.scale)))
      .bind(&LayerNormBackward::diff_dst, diff_dst)
      .bind(&LayerNormBackward::addend, adds ? other : diff_src)
      .bind(&LayerNormBackward::diff_src, diff_src)
      .bind(&LayerNormBackward::diff_scale, builder.add_fixed(builder.parameters().gradient(norm.scale)))
      .bind(&LayerNormBackward::diff_shift, builder.add_fixed(builder.parameters().gradient(norm.shift)))
      .bind(&LayerNormBackward::working, working);
  builder
      .add_step("layer norm", "backward", layout,
                operands.call([&runtime = builder.runtime(), layout, type, adds](const LayerNormBackward& memory) {
                  kernels::layer_norm_backward(runtime, layout, type, adds, memory);
                }))
      .may_overwrite = {adds ? other : diff_dst, diff_src};
  if (adds) {
    builder.set_gradient(builder.input(), diff_src);
  } else {
    builder.add_gradient(builder.input(), diff_src);
  }
}

}  // namespace convmixer

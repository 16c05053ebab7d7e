#include "kernels/plain/layer_norm.hpp"

#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"
#include "plan/plain/product_operands.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Role;

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

/// (R, D): what is normalised are the rows.
Layout rows_of(const Layout& layout) {
  const Shape& shape = layout.shape();
  const std::int64_t features = shape.rank() == 4 ? shape[1] : shape[shape.rank() - 1];
  return {Shape{shape.count() / features, features}, ElementType::f32, Format::plain};
}

/// f32, a row's features side by side: what oneDNN's layer norm takes.
BufferId as_dense_rows(Builder& builder, BufferId buffer) {
  const Shape shape = builder.layout(buffer).shape();
  return builder.convert(buffer,
                         Layout(shape, ElementType::f32, shape.rank() == 4 ? Format::channels_last : Format::plain));
}

/// By oneDNN, whose result has the type of src, f32.
void normalise_by_onednn(Builder& builder, const LayerNorm& norm) {
  const BufferId src = as_dense_rows(builder, builder.value(builder.input()));
  builder.set_value(builder.input(), src);
  const Layout layout = builder.layout(src);
  const Layout rows = rows_of(layout);
  const Layout by_row(Shape{rows.shape()[0]}, ElementType::f32, Format::plain);
  const BufferId mean = builder.add_buffer(by_row);
  const BufferId variance = builder.add_buffer(by_row);
  builder.kept() = {mean, variance};
  const BufferId dst = builder.add_buffer(layout);
  builder.add_step("layer norm", "forward", kernels::layer_norm_forward(builder.runtime(), rows, norm.epsilon), layout,
                   {{Role::src, builder.add_view(src, rows.shape())},
                    {Role::mean, mean},
                    {Role::variance, variance},
                    {Role::scale, builder.add_fixed(builder.parameters().value(norm.scale))},
                    {Role::shift, builder.add_fixed(builder.parameters().value(norm.shift))},
                    {Role::dst, builder.add_view(dst, rows.shape())}});
  builder.set_value(builder.output(), builder.in_type(dst, result_type(builder)));
}

void add_gradients_by_onednn(Builder& builder, const LayerNorm& norm) {
  const BufferId src = builder.value(builder.input());
  const Layout layout = builder.layout(src);
  const Layout rows = rows_of(layout);
  const BufferId diff_dst = builder.convert(builder.output_gradient(), layout);
  const BufferId diff_src = builder.add_buffer(layout);
  builder.add_step("layer norm", "backward", kernels::layer_norm_backward(builder.runtime(), rows, norm.epsilon),
                   layout,
                   {{Role::src, builder.add_view(src, rows.shape())},
                    {Role::mean, builder.kept()[0]},
                    {Role::variance, builder.kept()[1]},
                    {Role::scale, builder.add_fixed(builder.parameters().value(norm.scale))},
                    {Role::shift, builder.add_fixed(builder.parameters().value(norm.shift))},
                    {Role::diff_dst, builder.add_view(diff_dst, rows.shape())},
                    {Role::diff_src, builder.add_view(diff_src, rows.shape())},
                    {Role::diff_scale, builder.add_fixed(builder.parameters().gradient(norm.scale))},
                    {Role::diff_shift, builder.add_fixed(builder.parameters().gradient(norm.shift))}});
  builder.add_gradient(builder.input(), diff_src);
}

}  // namespace

void forward(Builder& builder, const LayerNorm& norm) {
  if (builder.onednn_alone()) return normalise_by_onednn(builder, norm);
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
  if (builder.onednn_alone()) return add_gradients_by_onednn(builder, norm);
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

#include "kernels/plain/dropout.hpp"

#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::DropoutProblem;
using kernels::Layout;

// In training y = x m / (1 - rate), dx = dy m / (1 - rate), with m = 0 or 1 by DropoutDraws: of each value for Dropout,
// of each image for DropPath. In inference, and for a rate of 0, y = x: no step at all. In the type that x has.

namespace {

struct DropoutOperands {
  const void* src;
  void* dst;
};

using DropoutKernel = void (*)(kernels::Runtime& runtime, const Layout& layout, const DropoutProblem& problem,
                               const void* src, void* dst);

/// What one direction does: `dst` has what is left of `src`.
BufferId add_drop(Builder& builder, const char* operation, const char* direction, DropoutKernel kernel, float rate,
                  BufferId src) {
  const Layout layout = builder.layout(src);
  const BufferId dst = builder.add_buffer(layout);
  KernelOperands<DropoutOperands> operands(builder);
  operands.bind(&DropoutOperands::src, src).bind(&DropoutOperands::dst, dst);
  builder
      .add_step(operation, direction, layout,
                operands.call([&runtime = builder.runtime(), layout, kernel, rate, tensor = builder.output(),
                               draws = builder.dropout_draws()](const DropoutOperands& memory) {
                  const DropoutProblem problem{.rate = draws->drops ? rate : 0.0F,
                                               .seed = kernels::dropout_seed(draws->seed, tensor),
                                               .update = draws->update,
                                               .first_image = draws->first_image};
                  kernel(runtime, layout, problem, memory.src, memory.dst);
                }))
      .may_overwrite = {src, dst};
  return dst;
}

void forward_drop(Builder& builder, const char* operation, DropoutKernel kernel, float rate) {
  const BufferId src = builder.value(builder.input());
  const bool drops = builder.training() && rate > 0.0F;
  builder.set_value(builder.output(), drops ? add_drop(builder, operation, "forward", kernel, rate, src) : src);
}

void backward_drop(Builder& builder, const char* operation, DropoutKernel kernel, float rate) {
  if (rate == 0.0F) {
    builder.add_gradient(builder.input(), builder.output_gradient());
    return;
  }
  // The value's order, in which the numbers were drawn, in the gradient's type.
  const Layout value = builder.layout(builder.value(builder.output()));
  const BufferId given = builder.output_gradient();
  const BufferId diff_dst = builder.convert(given, Layout(value.shape(), builder.layout(given).type(), value.format()));
  builder.add_gradient(builder.input(), add_drop(builder, operation, "backward", kernel, rate, diff_dst));
}

}  // namespace

void forward(Builder& builder, const Dropout& dropout) {
  forward_drop(builder, "dropout", kernels::drop_values, dropout.rate);
}
void backward(Builder& builder, const Dropout& dropout) {
  backward_drop(builder, "dropout", kernels::drop_values, dropout.rate);
}

void forward(Builder& builder, const DropPath& path) {
  forward_drop(builder, "drop path", kernels::drop_images, path.rate);
}
void backward(Builder& builder, const DropPath& path) {
  backward_drop(builder, "drop path", kernels::drop_images, path.rate);
}

}  // namespace convmixer

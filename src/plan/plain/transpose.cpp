#include "kernels/plain/transpose.hpp"

#include "plan/plain/kernel_operands.hpp"
#include "plan/plain/operations.hpp"
#include "plan/plain/product_operands.hpp"

namespace convmixer {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;

// y[n, d, t] = x[n, t, d]; dx[n, t, d] = dy[n, d, t]. What is written has the type of what will read it.

namespace {

struct TransposeArguments {
  const void* src;
  void* dst;
};

BufferId add_transpose(Builder& builder, const char* direction, BufferId src, ElementType type) {
  const Shape shape = builder.layout(src).shape();
  const Layout layout(Shape{shape[0], shape[2], shape[1]}, type, Format::plain);
  if (builder.onednn_alone()) {  // a reorder
    return builder.convert(builder.add_view(src, kernels::transposed(builder.layout(src))), layout);
  }
  const BufferId dst = builder.add_buffer(layout);
  KernelOperands<TransposeArguments> operands(builder);
  operands.bind(&TransposeArguments::src, src).bind(&TransposeArguments::dst, dst);
  builder.add_step("transpose", direction, layout,
                   operands.call([&runtime = builder.runtime(), shape, from = builder.layout(src).type(),
                                  type](const TransposeArguments& memory) {
                     kernels::transpose(runtime, shape[0], shape[1], shape[2], {memory.src, from}, {memory.dst, type});
                   }));
  return dst;
}

}  // namespace

void forward(Builder& builder, const Transpose& /*transpose*/) {
  const ElementType type = token_type(builder, builder.output());
  builder.set_value(builder.output(), add_transpose(builder, "forward", builder.value(builder.input()), type));
}

void backward(Builder& builder, const Transpose& /*transpose*/) {
  const BufferId given = builder.output_gradient();
  const ElementType type = gradient_type(builder, builder.input(), given);
  builder.add_gradient(builder.input(), add_transpose(builder, "backward", given, type));
}

}  // namespace convmixer

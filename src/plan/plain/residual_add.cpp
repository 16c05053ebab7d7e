#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::Role;

// y = a + b, in a's layout and type. da = db = dy.

void forward(Builder& builder, const Add& /*add*/) {
  const BufferId a = builder.value(builder.input(0));
  const kernels::Layout layout = builder.layout(a);
  const BufferId b = builder.convert(builder.value(builder.input(1)), layout);
  const BufferId sum = builder.add_buffer(layout);
  builder.set_value(builder.output(), sum);
  builder
      .add_step("residual add", "forward", kernels::add(builder.runtime(), layout), layout,
                {{Role::summand0, a}, {Role::summand1, b}, {Role::dst, sum}})
      .may_overwrite = {a, sum};
}

void backward(Builder& builder, const Add& /*add*/) {
  const BufferId diff_sum = builder.output_gradient();
  builder.add_gradient(builder.input(0), diff_sum);
  builder.add_gradient(builder.input(1), diff_sum);
}

}  // namespace convmixer

#include "plan/plain/operations.hpp"

namespace convmixer {

using kernels::Format;
using kernels::Layout;

// y[n, h W + w, c] = x[n, c, h, w]: what an image in channels-last order holds, under another shape. No value moves
// unless the image lies otherwise.

void forward(Builder& builder, const ToTokens& /*tokens*/) {
  const BufferId src = builder.channels_last(builder.value(builder.input()));
  builder.set_value(builder.output(), builder.add_view(src, builder.batch_shape(builder.output())));
}

void backward(Builder& builder, const ToTokens& /*tokens*/) {
  const BufferId given = builder.output_gradient();
  const Layout as_rows(builder.batch_shape(builder.output()), builder.layout(given).type(), Format::plain);
  const BufferId diff_dst = builder.convert(given, as_rows);
  builder.add_gradient(builder.input(),
                       builder.add_view(diff_dst, builder.batch_shape(builder.input()), Format::channels_last));
}

}  // namespace convmixer

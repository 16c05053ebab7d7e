// Copies between layouts and types. A value moved counts as one FLOP, so that they have an intensity.
#include "operation.hpp"

namespace convmixer::perf {

namespace {

using kernels::ElementType;
using kernels::Format;
using kernels::Layout;
using kernels::Role;

void reorder(Trial& trial, const Layout& from, const Layout& to) {
  const Tensor& src = trial.input(from);
  const Tensor& dst = trial.output(to);
  trial.run(kernels::reorder(trial.runtime(), from, to), {{Role::src, &src}, {Role::dst, &dst}});
  trial.count(static_cast<double>(src.shape().count()), Unit::vector);
  trial.expect(dst, [&src](const Index& at) { return src.at(at); });
}

/// A plan's first step: the batch as it is given, to what the patch embedding reads.
void images(Trial& trial) {
  const Setting& setting = trial.setting();
  const Layout given(setting.images(), ElementType::f32, Format::plain);
  const Layout any(setting.images(), setting.type, Format::any);
  reorder(trial, given, trial.choice().forward("patches", setting.patch_embedding(), any, /*fixed_src=*/false).src);
}

/// What a bf16 plan does to gradients of outputs.
void reorder_to_bf16(Trial& trial) { reorder(trial, trial.activations(ElementType::f32), trial.activations()); }

/// Between plans' two orders.
void to_other_order(Trial& trial) {
  const Layout from = trial.activations();
  const Format other = from.format() == Format::channels_last ? Format::blocked16 : Format::channels_last;
  reorder(trial, from, {from.shape(), from.type(), other});
}

bool in_bf16(const Setting& setting) { return setting.type == ElementType::bf16; }

}  // namespace

std::vector<Operation> reorder_operations() {
  return {
      {"reorder", "of images", "oneDNN", images},
      {"reorder", "to bf16", "oneDNN", reorder_to_bf16, in_bf16},
      {"reorder", "to the other order", "oneDNN", to_other_order},
  };
}

}  // namespace convmixer::perf

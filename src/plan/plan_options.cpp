#include "convmixer/plan/plan_options.hpp"

#include "convmixer/core/error.hpp"

namespace convmixer {

std::string to_string(PlanKind kind) {
  switch (kind) {
    case PlanKind::plain:
      return "plain";
    case PlanKind::fused:
      return "fused";
    case PlanKind::onednn:
      return "onednn";
    case PlanKind::automatic:
      break;
  }
  return "automatic";
}

void check_kind_and_layout(PlanKind kind, LayoutPolicy layout) {
  if (kind != PlanKind::fused || layout == LayoutPolicy::automatic) return;
  fail_usage(
      "plan = fused: fused stages have a layout of their own, found another one asked for; expected layout = "
      "automatic, or plan = automatic, plain or onednn");
}

void check(const PlanOptions& options) {
  if (options.batch_size < 1) fail_usage("batch-size = {}: expected at least 1", options.batch_size);
  if (options.images_of_all_ranks < 0)
    fail_usage("images of all ranks = {}: expected at least 0", options.images_of_all_ranks);
  check_kind_and_layout(options.kind, options.layout);
}

}  // namespace convmixer

#include "plan/plan_checks.hpp"

#include "convmixer/core/error.hpp"

namespace convmixer {

void require_several_values(const std::string& norm, std::int64_t images, std::int64_t height, std::int64_t width) {
  if (images * height * width >= 2) return;
  fail_usage(
      "{}: batch norm in training needs more than one value per channel, found a batch of {} with {}x{} pixels: use a "
      "larger batch-size or micro-batch (or drop-last)",
      norm, images, height, width);
}

}  // namespace convmixer

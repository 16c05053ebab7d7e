/// Test-time augmentation as `eval` and `predict` are asked for it, and how they tell of it.
#pragma once

#include "convmixer/model/selective_inference.hpp"
#include "convmixer/train/option.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace convmixer::tool {

struct TtaOptions {
  TestTimeAugmentation augmentation = TestTimeAugmentation::none;
  double below = 1.0;

  [[nodiscard]] TestTimeViews views() const;
};

/// "tta", "tta-below".
[[nodiscard]] std::vector<Option> tta_options(TtaOptions& options);

/// "none", "flip", "flip-shift", as `--tta` takes it.
[[nodiscard]] std::string name_of(TestTimeAugmentation augmentation);

/// ", with their mirror images"; empty for none.
[[nodiscard]] std::string describe_views(const TtaOptions& options);

/// "further views of 1,234 of 10,000 images (12.3%)".
[[nodiscard]] std::string describe_looks(std::int64_t looked_again, std::int64_t images);

}  // namespace convmixer::tool

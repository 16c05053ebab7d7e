/// The roofline of what op_bench has measured.
#pragma once

#include "op_suite.hpp"
#include "roofline.hpp"

#include <string>
#include <vector>

namespace convmixer::perf {

/// A panel for each network and precision, a point for each operation that was measured.
[[nodiscard]] Roofline op_roofline(const std::vector<const OpResult*>& results, const MachinePeaks& peaks,
                                   const std::string& subtitle);

}  // namespace convmixer::perf

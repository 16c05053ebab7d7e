/// The instruction sets of the hand-written kernels.
#pragma once

#include <string>
#include <vector>

namespace convmixer::kernels {

/// Those that the kernels are compiled for, the best last; names as people know them: "SSE4", "AVX2", "AVX-512".
[[nodiscard]] std::vector<std::string> compiled_instruction_sets();

/// The one of them that runs on this CPU.
[[nodiscard]] std::string used_instruction_set();

/// The Highway that they are compiled with: "1.0.3".
[[nodiscard]] std::string highway_version();

}  // namespace convmixer::kernels

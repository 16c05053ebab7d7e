/// The inside of an engine, for the library's own code, its tests and benchmarks.
#pragma once

#include "convmixer/plan/engine.hpp"
#include "kernels/onednn/onednn.hpp"

namespace convmixer {

/// oneDNN's engine, stream and threads, as kernels know them.
[[nodiscard]] kernels::Runtime& runtime_of(Engine& engine) noexcept;

}  // namespace convmixer

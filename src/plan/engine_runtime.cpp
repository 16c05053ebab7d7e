#include "plan/engine_runtime.hpp"

namespace convmixer {

kernels::Runtime& runtime_of(Engine& engine) noexcept { return *engine.runtime_; }

}  // namespace convmixer

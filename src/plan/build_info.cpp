#include "convmixer/plan/build_info.hpp"

#include "core/tbb_version.hpp"
#include "kernels/instruction_sets.hpp"

#include <fmt/format.h>

namespace convmixer {
namespace {

std::string compiler() {
#if defined(__clang__)
  return fmt::format("clang++ {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("g++ {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

}  // namespace

BuildInfo build_info() {
  return {.version = CONVMIXER_VERSION,
          .compiler = compiler(),
          .build_type = CONVMIXER_BUILD_TYPE,
          .tbb = tbb_version(),
          .highway = kernels::highway_version(),
          .instruction_sets = kernels::compiled_instruction_sets(),
          .instruction_set_here = kernels::used_instruction_set()};
}

}  // namespace convmixer

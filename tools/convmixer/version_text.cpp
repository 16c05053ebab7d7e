#include "version_text.hpp"

#include "convmixer/core/printable.hpp"
#include "convmixer/dist/launched_ranks.hpp"
#include "convmixer/plan/build_info.hpp"
#include "convmixer/plan/engine.hpp"
#include "output.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

namespace convmixer::tool {

std::string version_text() {
  const BuildInfo build = build_info();
  const OnednnInfo onednn = Engine::onednn_info();
  const std::filesystem::path mpi = find_mpi_plugin();
  const Rows rows{
      {"built", fmt::format("{}, {}", build.compiler, build.build_type.empty() ? "no build type" : build.build_type)},
      {"kernels", fmt::format("for {}; here {}", fmt::join(build.instruction_sets, ", "), build.instruction_set_here)},
      {"oneDNN", fmt::format("{}, runtime {}; here {}", onednn.version, onednn.runtime, onednn.instructions)},
      {"TBB", build.tbb},
      {"Highway", build.highway},
      {"MPI", mpi.empty() ? "none: one process trains" : "plug-in " + printable(mpi.native())},
      {"license", "Apache-2.0, without warranty: https://www.apache.org/licenses/LICENSE-2.0"}};
  return fmt::format("convmixer {}\n{}", build.version, format_rows(rows, false));
}

}  // namespace convmixer::tool

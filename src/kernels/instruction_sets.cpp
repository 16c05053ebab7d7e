#include "kernels/instruction_sets.hpp"

#include <fmt/format.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <map>

namespace convmixer::kernels {
namespace {

/// Highway calls AVX-512 "AVX3", and its later steps by what they brought.
std::string name_of(std::int64_t target) {
  static const std::map<std::string, std::string> kNames{{"SCALAR", "scalar"},
                                                         {"AVX3", "AVX-512"},
                                                         {"AVX3_DL", "AVX-512 (Ice Lake)"},
                                                         {"AVX3_ZEN4", "AVX-512 (Zen 4)"},
                                                         {"AVX3_SPR", "AVX-512 (Sapphire Rapids)"}};
  const std::string name = hwy::TargetName(target);
  const auto found = kNames.find(name);
  return found == kNames.end() ? name : found->second;
}

/// The better an instruction set, the lower its bit.
std::int64_t best_of(std::int64_t targets) { return targets & -targets; }

}  // namespace

std::vector<std::string> compiled_instruction_sets() {
  std::vector<std::string> names;
  for (std::int64_t rest = HWY_TARGETS; rest != 0; rest &= rest - 1) names.push_back(name_of(best_of(rest)));
  std::ranges::reverse(names);
  return names;
}

std::string used_instruction_set() { return name_of(best_of(hwy::SupportedTargets() & HWY_TARGETS)); }

std::string highway_version() { return fmt::format("{}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH); }

}  // namespace convmixer::kernels

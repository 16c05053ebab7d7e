/// What this library is, how it was built, and what it runs with: what a report of a fault should say.
#pragma once

#include <string>
#include <vector>

namespace convmixer {

struct BuildInfo {
  std::string version;                        ///< "0.1.0"
  std::string compiler;                       ///< "g++ 12.2.0"
  std::string build_type;                     ///< CMake's: "Release"; empty if none was chosen
  std::string tbb;                            ///< the TBB that is loaded: "2021.8"
  std::string highway;                        ///< the Highway that kernels were compiled with: "1.0.3"
  std::vector<std::string> instruction_sets;  ///< that kernels were compiled for, the best last: "AVX2", "AVX-512"
  std::string instruction_set_here;           ///< the one of them that runs on this CPU
};

/// Engine::onednn_info has what there is to say of oneDNN.
[[nodiscard]] BuildInfo build_info();

}  // namespace convmixer

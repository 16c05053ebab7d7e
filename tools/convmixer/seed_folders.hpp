/// Where the runs of `seeds` are: each in a folder of its own, in the folder of all.
#pragma once

#include "convmixer/train/run_folder.hpp"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace convmixer::tool {

/// What the folder of all is called after its configuration, unless --out names it.
inline constexpr const char* kSeedsSuffix = "-seeds";

/// FOLDER/seed-K.
[[nodiscard]] RunFolder seed_folder(const std::filesystem::path& all, std::uint64_t seed);

struct SeedFolder {
  std::uint64_t seed = 0;
  RunFolder folder;
};

/// Those that hold a run, by seed. None if the folder isn't there.
[[nodiscard]] std::vector<SeedFolder> seed_folders(const std::filesystem::path& all);

/// Whether anything is in such a folder that a run has left there.
[[nodiscard]] bool holds_files_of_seeds(const std::filesystem::path& all);

}  // namespace convmixer::tool

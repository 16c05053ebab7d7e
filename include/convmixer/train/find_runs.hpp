/// Runs in a folder and below it.
#pragma once

#include "convmixer/train/run_folder.hpp"

#include <filesystem>
#include <vector>

namespace convmixer {

/// How far down find_runs looks unless told otherwise: "runs/today/seeds/seed-1" is 3 below "runs".
inline constexpr int kUsualRunDepth = 6;

/// Whether a folder holds a run: its configuration, and records or a state to go on from.
[[nodiscard]] bool holds_run(const RunFolder& folder);

/// Whether a run keeps a file of its own under this name in its folder: its configuration, records, weights, state,
/// evaluation, lock and event files.
[[nodiscard]] bool is_name_in_run(const std::filesystem::path& name);

/// Whether a folder holds any file under such a name, its lock apart: of a run, or what is left of one.
[[nodiscard]] bool holds_files_of_run(const RunFolder& folder);

/// Whether the file is there and a run's own: of such a name, in a folder that holds a run, or its best weights and
/// configuration alone.
[[nodiscard]] bool is_file_of_run(const std::filesystem::path& file);

/// The folders that hold runs: `folder` itself, and those at most `depth` levels below it, by path. Links are not
/// followed, but `folder` may be one; hidden folders, and those that may not be read, are left out, and nothing is
/// looked for within a run's folder. Throws Error naming a folder that isn't there, and one with far too many below it.
[[nodiscard]] std::vector<std::filesystem::path> find_runs(const std::filesystem::path& folder,
                                                           int depth = kUsualRunDepth);

}  // namespace convmixer

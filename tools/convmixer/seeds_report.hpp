/// What runs over several seeds have come to: a table, and the same for other programs.
#pragma once

#include "convmixer/train/run_result.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace convmixer::tool {

struct SeedResult {
  std::uint64_t seed = 0;
  std::filesystem::path folder;
  RunResult run;
};

/// A line for each run, then mean, standard deviation and standard error of those that have ended.
[[nodiscard]] std::string format_seeds(std::span<const SeedResult> results, bool colour);

/// One line of a run that has just ended, and the mean so far. `results` has those before it, and it.
[[nodiscard]] std::string describe_seed(const SeedResult& one, std::span<const SeedResult> results);

/// {first_seed, count, ended, runs, best_epoch, best_accuracy, last_accuracy, seconds}:
///   count, ended         runs that were asked for, and those of them that have ended
///   runs                 [{seed, folder, ended, epochs, best_epoch, best_accuracy, last_accuracy, seconds}], those
///   that
///                        have begun; what isn't known yet is null. With held-out images both accuracies are of those,
///                        and test_accuracy is that of the best weights on the test set
///   the rest             {mean, standard_deviation, standard_error} of the runs that have ended; null where there are
///                        too few
[[nodiscard]] nlohmann::ordered_json seeds_json(std::span<const SeedResult> results, std::uint64_t first_seed,
                                                std::int64_t count);

}  // namespace convmixer::tool

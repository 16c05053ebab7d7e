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

/// What the runs go by.
struct SeedsGoal {
  bool holdout = false;         ///< epochs go by held-out images, and the test images are evaluated at the end
  double until_accuracy = 0.0;  ///< 0: none
};

/// A line for each run, then mean, standard deviation and standard error of those that have ended.
[[nodiscard]] std::string format_seeds(const SeedsGoal& goal, std::span<const SeedResult> results, bool colour);

/// One line of a run that has just ended, and the mean so far. `results` has those before it, and it.
[[nodiscard]] std::string describe_seed(const SeedsGoal& goal, const SeedResult& one,
                                        std::span<const SeedResult> results);

/// {first_seed, count, ended, evaluated_on, [until_accuracy, reached,] runs, best_epoch, best_accuracy, last_accuracy,
/// [test_accuracy, until_epoch, until_seconds,] seconds}:
///   count, ended         runs that were asked for, and those of them that have ended
///   evaluated_on         "test", or "holdout", what best and last go by: then there is test_accuracy, of the best
///   reached              runs that have reached until_accuracy, the first time in until_epoch, after until_seconds
///   runs                 [{seed, folder, ended, epochs, and what follows}], those that have begun; what isn't known,
///                        or not yet, is null
///   the rest             {mean, standard_deviation, standard_error} of the runs that have ended; null where there are
///                        too few
[[nodiscard]] nlohmann::ordered_json seeds_json(const SeedsGoal& goal, std::span<const SeedResult> results,
                                                std::uint64_t first_seed, std::int64_t count);

}  // namespace convmixer::tool

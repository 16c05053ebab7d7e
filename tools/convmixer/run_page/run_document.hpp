/// Runs as the document that a page of them shows; document.md describes it.
#pragma once

#include "convmixer/train/run_history.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace convmixer::tool {

using Json = nlohmann::ordered_json;

/// How many records of a run a page was told of.
struct RunRows {
  std::size_t steps = 0;
  std::size_t epochs = 0;
};

/// A run with all its curves, thinned.
[[nodiscard]] Json run_json(const RunHistory& run, const std::string& id);

/// The same run without curves and log: for a list of many.
[[nodiscard]] Json run_summary_json(const RunHistory& run, const std::string& id);

/// What came to a run since. Its curves are as recorded: few points come at a time.
[[nodiscard]] Json increment_json(const RunHistory& run, const std::string& id, const RunRows& told);

/// The document of runs made by the functions above. Runs of the same name get their folders' for theirs.
[[nodiscard]] Json document_json(std::vector<Json> runs);

}  // namespace convmixer::tool

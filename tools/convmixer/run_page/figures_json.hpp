/// A run's figures as the page's document has them; document.md describes it.
#pragma once

#include "convmixer/train/run_figures.hpp"

#include <nlohmann/json.hpp>

namespace convmixer::tool {

/// The run's member "figures". Images are embedded, text is UTF-8, whatever the names are.
[[nodiscard]] nlohmann::ordered_json figures_json(const RunFigures& figures);

}  // namespace convmixer::tool

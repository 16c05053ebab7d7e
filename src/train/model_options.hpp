/// The option that chooses the model, and each model's own.
#pragma once

#include "convmixer/model/registry.hpp"
#include "convmixer/train/option.hpp"

#include <span>
#include <vector>

namespace convmixer {

/// `model`, then the settings of every model of the registry. Choosing another model than the present one replaces it
/// by that one's defaults; settings of a model that isn't chosen are refused, and not written. `model` and the registry
/// must outlive the options.
[[nodiscard]] std::vector<Option> model_options(ModelConfig& model, std::span<const ModelEntry> among = models());

}  // namespace convmixer

/// What parameter groups must be like.
#pragma once

#include "convmixer/optim/parameter_groups.hpp"

#include <span>
#include <string_view>

namespace convmixer {

/// Throws Error (usage) naming the setting that is out of range, its message after `prefix`.
void check_group_settings(const ParameterGroup& group, std::string_view prefix);

/// Throws Error (usage) naming group, and parameter or setting, unless every parameter of the graph is in exactly one
/// group, or frozen and in none, and every setting in its range.
void check_groups(const Graph& graph, std::span<const ParameterGroup> groups);

}  // namespace convmixer

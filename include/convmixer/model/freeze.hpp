/// Parts of a network that are kept as they are while the rest is trained.
#pragma once

#include "convmixer/graph/graph.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace convmixer {

/// The parts of a network that have parameters, in their order, by the beginnings of their nodes' names: "stem",
/// "blocks.0", "blocks.1", "head".
[[nodiscard]] std::vector<std::string> parts_of(const Graph& graph);

/// The nodes' parts that a list names: "stem,blocks.0-3,head"; "blocks" is all that there are of them. Throws Error
/// (usage), beginning with "freeze = ", for what the network doesn't have, saying what it has, and if nothing would be
/// left to train.
[[nodiscard]] std::vector<std::string> frozen_parts(const Graph& graph, std::string_view list);

/// Freezes (Graph::freeze) all nodes of the parts that `list` names. Their parameters stay as they are, by gradient and
/// by weight decay; so do the running statistics of their norms, with which these normalise in training, too. Throws as
/// frozen_parts.
void freeze(Graph& graph, std::string_view list);

/// What there is, for messages: "stem, blocks.0-7, head".
[[nodiscard]] std::string describe_parts(const std::vector<std::string>& parts);

}  // namespace convmixer

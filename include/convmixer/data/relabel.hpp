/// A data set under the labels that a network knows its classes by.
#pragma once

#include "convmixer/data/dataset.hpp"

#include <memory>
#include <string>
#include <vector>

namespace convmixer {

/// The data set with `class_names` as its classes: each image has the label that its class's name has among them, where
/// the data set's own may stand in another order, and some may be missing.
/// Names are compared as metadata can hold them (storable_names). `dataset` is borrowed. Throws Error (usage)
/// with both lists for a class that isn't among them, and for names that aren't unique, unless the lists are equal.
[[nodiscard]] std::unique_ptr<Dataset> relabel(const Dataset& dataset, const std::vector<std::string>& class_names);

/// Names for a message: "apple, leaf, sea"; of a long list those at its beginning, and how many there are more.
[[nodiscard]] std::string list_class_names(const std::vector<std::string>& names);

}  // namespace convmixer

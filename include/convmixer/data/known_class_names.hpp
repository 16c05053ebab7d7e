/// What the classes of data sets are called that are always the same.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace convmixer {

/// The class names of a data set that known_classes() has a number of classes for, by label, without its files; empty
/// for any other name.
[[nodiscard]] std::vector<std::string> known_class_names(std::string_view dataset);

}  // namespace convmixer

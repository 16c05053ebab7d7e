/// The outlines of the shapes data set, as signed distances.
#pragma once

#include <array>
#include <string_view>

namespace convmixer::outlines {

struct Point {
  float x = 0.0F;
  float y = 0.0F;
};

/// In the order of the labels.
inline constexpr std::array<std::string_view, 10> kNames{"circle", "ring", "crescent", "heart", "triangle",
                                                         "square", "star", "cross",    "arrow", "hourglass"};

/// Distance of `point` to the outline of shape `label`, negative inside. Every shape lies within the unit circle around
/// the origin; x points right, y down. Formulas: Quilez, "2D distance functions". Computed with + - * / and sqrt
/// alone, which IEEE 754 defines to the last bit.
[[nodiscard]] float signed_distance(int label, Point point);

}  // namespace convmixer::outlines

/// Finds room for labels beside crowded points.
#pragma once

#include <vector>

namespace convmixer::perf {

/// Pixels, y downwards.
struct Position {
  double x = 0.0;
  double y = 0.0;
};

struct Box {
  double left = 0.0;
  double top = 0.0;
  double right = 0.0;
  double bottom = 0.0;

  [[nodiscard]] bool overlaps(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
  [[nodiscard]] bool contains(const Box& other) const {
    return left <= other.left && other.right <= right && top <= other.top && other.bottom <= bottom;
  }
  /// Its place nearest to `to`.
  [[nodiscard]] Position nearest(const Position& to) const;
};

/// A point that wants a label of this size.
struct Labelled {
  Position at;
  double width;
  double height;
};

/// Where each label goes: inside `bounds`, over no other label, point or obstacle, near its point, and so that lines
/// from points to their labels (from Box::nearest) cross no label if that can be had. Where nothing is free, the least
/// bad place.
[[nodiscard]] std::vector<Box> place_labels(const std::vector<Labelled>& labels, const std::vector<Box>& obstacles,
                                            const Box& bounds);

}  // namespace convmixer::perf

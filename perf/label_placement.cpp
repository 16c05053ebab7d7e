#include "label_placement.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>

namespace convmixer::perf {

namespace {

constexpr double kMarker = 6.0;  // half of a point's square
constexpr double kGap = 2.0;     // between labels

struct Segment {
  Position from;
  Position to;
};

/// Liang & Barsky's clipping: whether any of the segment lies inside the box.
bool crosses(const Segment& segment, const Box& box) {
  const double dx = segment.to.x - segment.from.x;
  const double dy = segment.to.y - segment.from.y;
  double enter = 0.0;
  double leave = 1.0;
  const std::array<std::pair<double, double>, 4> edges{{{-dx, segment.from.x - box.left},
                                                        {dx, box.right - segment.from.x},
                                                        {-dy, segment.from.y - box.top},
                                                        {dy, box.bottom - segment.from.y}}};
  for (const auto& [direction, distance] : edges) {
    if (direction == 0.0) {
      if (distance <= 0.0) return false;
    } else if (direction < 0.0) {
      enter = std::max(enter, distance / direction);
    } else {
      leave = std::min(leave, distance / direction);
    }
  }
  return enter < leave;
}

double turn(const Position& a, const Position& b, const Position& c) {
  return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

bool cross(const Segment& a, const Segment& b) {
  return turn(a.from, a.to, b.from) * turn(a.from, a.to, b.to) < 0.0 &&
         turn(b.from, b.to, a.from) * turn(b.from, b.to, a.to) < 0.0;
}

Box around(const Position& at) { return {at.x - kMarker, at.y - kMarker, at.x + kMarker, at.y + kMarker}; }

Box with_gap(const Box& box) { return {box.left - kGap, box.top, box.right + kGap, box.bottom}; }

/// The label's box in a direction (radians) at a distance between its edge and the point.
Box box_at(const Labelled& label, double direction, double distance) {
  const double x = std::cos(direction);
  const double y = std::sin(direction);
  // Its centre is so far out that the nearest edge is `distance` away: fully to the side of the point left and right.
  const Position centre{label.at.x + x * distance + std::clamp(2.0 * x, -1.0, 1.0) * label.width / 2.0,
                        label.at.y + y * (distance + label.height / 2.0)};
  return {centre.x - label.width / 2.0, centre.y - label.height / 2.0, centre.x + label.width / 2.0,
          centre.y + label.height / 2.0};
}

/// What has been placed so far.
class Placement {
 public:
  Placement(const std::vector<Labelled>& labels, const std::vector<Box>& obstacles, const Box& bounds)
      : labels_(labels), obstacles_(obstacles), bounds_(bounds), boxes_(labels.size()), placed_(labels.size(), false) {}

  void place(std::size_t index) {
    const Labelled& label = labels_[index];
    double least = std::numeric_limits<double>::infinity();
    Box best = box_at(label, 0.0, kMarker);
    for (double distance = kMarker; distance < kFarthest; distance *= kStep) {
      for (int i = 0; i < kDirections; ++i) {
        const Box box = box_at(label, 2.0 * std::numbers::pi * i / kDirections, distance);
        const double cost = distance + badness(index, box);
        if (cost < least) {
          least = cost;
          best = box;
        }
      }
      if (least < distance) break;  // anything farther is worse
    }
    boxes_[index] = best;
    placed_[index] = true;
  }

  [[nodiscard]] std::vector<Box> take() { return std::move(boxes_); }

 private:
  static constexpr double kFarthest = 500.0;
  static constexpr double kStep = 1.25;
  static constexpr int kDirections = 32;
  static constexpr double kOverlap = 1e4;    // worse than any distance
  static constexpr double kStruck = 300.0;   // a label or another point by a line: worth a long detour
  static constexpr double kCrossing = 60.0;  // of two lines: worth a short one

  [[nodiscard]] double badness(std::size_t index, const Box& box) const {
    const Segment line{labels_[index].at, box.nearest(labels_[index].at)};
    const Box wide = with_gap(box);
    double bad = bounds_.contains(box) ? 0.0 : 2.0 * kOverlap;
    for (const Box& obstacle : obstacles_) bad += wide.overlaps(obstacle) ? kOverlap : 0.0;
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      bad += box.overlaps(around(labels_[i].at)) ? kOverlap : 0.0;
      if (i == index) continue;
      bad += crosses(line, around(labels_[i].at)) ? kStruck : 0.0;
      if (!placed_[i]) continue;
      const Segment other{labels_[i].at, boxes_[i].nearest(labels_[i].at)};
      bad += wide.overlaps(boxes_[i]) ? kOverlap : 0.0;
      bad += crosses(line, boxes_[i]) || crosses(other, box) ? kStruck : 0.0;
      bad += cross(line, other) ? kCrossing : 0.0;
    }
    return bad;
  }

  const std::vector<Labelled>& labels_;
  const std::vector<Box>& obstacles_;
  Box bounds_;
  std::vector<Box> boxes_;
  std::vector<bool> placed_;
};

/// Points with the most others around have the least choice: they come first.
std::vector<std::size_t> by_crowding(const std::vector<Labelled>& labels) {
  constexpr double kNear = 60.0;
  std::vector<int> neighbours(labels.size(), 0);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    for (const Labelled& other : labels) {
      neighbours[i] += std::hypot(labels[i].at.x - other.at.x, labels[i].at.y - other.at.y) < kNear ? 1 : 0;
    }
  }
  std::vector<std::size_t> order(labels.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return neighbours[a] > neighbours[b]; });
  return order;
}

}  // namespace

Position Box::nearest(const Position& to) const {
  return {std::clamp(to.x, left, right), std::clamp(to.y, top, bottom)};
}

std::vector<Box> place_labels(const std::vector<Labelled>& labels, const std::vector<Box>& obstacles,
                              const Box& bounds) {
  Placement placement(labels, obstacles, bounds);
  constexpr int kRounds = 6;  // after the first, each label finds a better place among the others
  for (int round = 0; round < kRounds; ++round) {
    for (const std::size_t index : by_crowding(labels)) placement.place(index);
  }
  return placement.take();
}

}  // namespace convmixer::perf

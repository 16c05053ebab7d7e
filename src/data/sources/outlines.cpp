#include "data/sources/outlines.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <span>

namespace convmixer::outlines {

namespace {

Point operator-(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }
float dot(Point a, Point b) { return a.x * b.x + a.y * b.y; }

float circle(Point point, Point centre, float radius) {
  const Point from_centre = point - centre;
  return std::sqrt(dot(from_centre, from_centre)) - radius;
}

/// Even-odd interior: edges may cross, as the hourglass's do.
float polygon(Point point, std::span<const Point> vertices) {
  float squared = 16.0F;
  bool inside = false;
  Point previous = vertices.back();
  for (const Point vertex : vertices) {
    const Point edge = previous - vertex;
    const Point to_point = point - vertex;
    const float along = std::clamp(dot(to_point, edge) / dot(edge, edge), 0.0F, 1.0F);
    const Point offset{to_point.x - along * edge.x, to_point.y - along * edge.y};
    squared = std::min(squared, dot(offset, offset));
    const bool straddles = (vertex.y > point.y) != (previous.y > point.y);
    if (straddles && (to_point.x < edge.x * to_point.y / edge.y)) inside = !inside;
    previous = vertex;
  }
  const float distance = std::sqrt(squared);
  return inside ? -distance : distance;
}

float ring(Point point) {
  constexpr float kMiddle = 0.75F;
  constexpr float kHalfWidth = 0.25F;
  return std::abs(circle(point, {}, kMiddle)) - kHalfWidth;
}

float crescent(Point point) { return std::max(circle(point, {}, 1.0F), -circle(point, {0.5F, 0.0F}, 0.75F)); }

/// A square on its tip with a half circle on each of its upper sides.
float heart(Point point) {
  constexpr float kHalfDiagonal = 0.76F;
  constexpr float kShift = 0.1F;  // puts the middle of the heart's height at the origin
  constexpr float kRadius = kHalfDiagonal * 0.70710678F;
  constexpr std::array<Point, 4> kSquare{Point{0.0F, kShift - kHalfDiagonal}, Point{kHalfDiagonal, kShift},
                                         Point{0.0F, kShift + kHalfDiagonal}, Point{-kHalfDiagonal, kShift}};
  const float halves = circle({std::abs(point.x), point.y}, {kHalfDiagonal / 2, kShift - kHalfDiagonal / 2}, kRadius);
  return std::min(polygon(point, kSquare), halves);
}

constexpr std::array<Point, 3> kTriangle{Point{0.0F, -1.0F}, Point{0.8660254F, 0.5F}, Point{-0.8660254F, 0.5F}};
constexpr std::array<Point, 4> kSquare{Point{-0.7071068F, -0.7071068F}, Point{0.7071068F, -0.7071068F},
                                       Point{0.7071068F, 0.7071068F}, Point{-0.7071068F, 0.7071068F}};
// Inner radius 0.45 of the outer.
constexpr std::array<Point, 10> kStar{Point{0.0F, -1.0F},
                                      Point{0.2645034F, -0.3640576F},
                                      Point{0.9510565F, -0.3090170F},
                                      Point{0.4279754F, 0.1390576F},
                                      Point{0.5877853F, 0.8090170F},
                                      Point{0.0F, 0.45F},
                                      Point{-0.5877853F, 0.8090170F},
                                      Point{-0.4279754F, 0.1390576F},
                                      Point{-0.9510565F, -0.3090170F},
                                      Point{-0.2645034F, -0.3640576F}};
constexpr std::array<Point, 12> kCross{Point{-0.3F, -0.95F}, Point{0.3F, -0.95F},  Point{0.3F, -0.3F},
                                       Point{0.95F, -0.3F},  Point{0.95F, 0.3F},   Point{0.3F, 0.3F},
                                       Point{0.3F, 0.95F},   Point{-0.3F, 0.95F},  Point{-0.3F, 0.3F},
                                       Point{-0.95F, 0.3F},  Point{-0.95F, -0.3F}, Point{-0.3F, -0.3F}};
constexpr std::array<Point, 7> kArrow{Point{0.0F, -1.0F},  Point{0.8F, 0.0F},    Point{0.28F, 0.0F},
                                      Point{0.28F, 0.95F}, Point{-0.28F, 0.95F}, Point{-0.28F, 0.0F},
                                      Point{-0.8F, 0.0F}};
constexpr std::array<Point, 4> kHourglass{Point{-0.65F, -0.75F}, Point{0.65F, -0.75F}, Point{-0.65F, 0.75F},
                                          Point{0.65F, 0.75F}};

}  // namespace

float signed_distance(int label, Point point) {
  switch (label) {
    case 0:
      return circle(point, {}, 0.9F);
    case 1:
      return ring(point);
    case 2:
      return crescent(point);
    case 3:
      return heart(point);
    case 4:
      return polygon(point, kTriangle);
    case 5:
      return polygon(point, kSquare);
    case 6:
      return polygon(point, kStar);
    case 7:
      return polygon(point, kCross);
    case 8:
      return polygon(point, kArrow);
    default:
      assert(label == 9);
      return polygon(point, kHourglass);
  }
}

}  // namespace convmixer::outlines

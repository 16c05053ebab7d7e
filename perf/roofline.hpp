/// A roofline as a picture: speed over arithmetic intensity, both logarithmic, beneath what memory and arithmetic
/// allow. Williams, Waterman & Patterson, CACM 52 (2009).
#pragma once

#include <string>
#include <vector>

namespace convmixer::perf {

struct RooflinePoint {
  std::string label;
  std::string series;      ///< points of one series look alike
  std::string details;     ///< shown where the mouse is over it
  double intensity = 1.0;  ///< FLOP per byte, above 0
  double flops = 1.0;      ///< per second, above 0
};

/// A horizontal roof.
struct RooflineRoof {
  std::string label;
  double flops;  ///< per second
};

struct RooflinePanel {
  std::string title;
  double memory = 1.0;  ///< bytes per second
  std::vector<RooflineRoof> roofs;
  std::vector<RooflinePoint> points;
};

struct Roofline {
  std::string title;
  std::string subtitle;
  std::vector<std::string> series;  ///< in the order of the legend; points may have these
  std::vector<RooflinePanel> panels;
};

/// One SVG, a panel beneath the other. Each point is a <g class="point">, each label a <text class="label">.
[[nodiscard]] std::string roofline_svg(const Roofline& roofline);

}  // namespace convmixer::perf

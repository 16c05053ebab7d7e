#include "roofline.hpp"

#include "label_placement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

namespace convmixer::perf {

namespace {

constexpr double kWidth = 1280.0;
constexpr double kPanelHeight = 760.0;
constexpr double kHeadHeight = 96.0;
constexpr double kGiga = 1e9;
constexpr double kFontSize = 12.0;
// Of a label's character on average, at kFontSize: somewhat more than DejaVu Sans, the widest of the fonts asked for.
constexpr double kCharacterWidth = 7.0;
constexpr double kBoldCharacterWidth = 8.5;
constexpr double kLineHeight = 14.0;

/// Colours that stay apart for colour-blind readers: Okabe & Ito, "Color Universal Design" (2008).
constexpr std::array<const char*, 5> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#4d4d4d"};

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

double text_width(const std::string& text) { return kCharacterWidth * static_cast<double>(text.size()); }

/// "0.01", "1", "1,000": no exponents.
std::string tick_label(double value) {
  if (value < 1.0) return fmt::format("{:g}", value);
  std::string digits = fmt::format("{:.0f}", value);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

/// A logarithmic axis from `low` to `high`, laid over pixels.
struct Axis {
  double low;
  double high;
  double from;
  double to;

  [[nodiscard]] double at(double value) const {
    return from + (to - from) * std::log(value / low) / std::log(high / low);
  }
};

/// Calls body(value, whether it is a power of ten) for 1 to 9 times every power of ten on the axis.
template <typename Body>
void for_each_tick(const Axis& axis, const Body& body) {
  for (double decade = std::pow(10.0, std::floor(std::log10(axis.low))); decade <= axis.high; decade *= 10.0) {
    for (int i = 1; i <= 9; ++i) {
      const double value = decade * i;
      if (value >= axis.low * 0.999 && value <= axis.high * 1.001) body(value, i == 1);
    }
  }
}

class Panel {
 public:
  Panel(const RooflinePanel& panel, const std::vector<std::string>& series, double top)
      : panel_(panel), series_(series), plot_{90.0, top + 46.0, kWidth - 250.0, top + kPanelHeight - 70.0} {
    const RooflineRoof& highest = *std::ranges::max_element(panel.roofs, {}, &RooflineRoof::flops);
    double left = std::numeric_limits<double>::infinity();
    double right = highest.flops / panel.memory;
    double low = std::numeric_limits<double>::infinity();
    double high = highest.flops;
    for (const RooflinePoint& point : panel.points) {
      left = std::min(left, point.intensity);
      right = std::max(right, point.intensity);
      low = std::min(low, point.flops);
      high = std::max(high, point.flops);
    }
    if (panel.points.empty()) {
      left = right / 100.0;
      low = panel.memory * left;
    }
    constexpr double kRoomForLabels = 6.0;  // right of the fastest points, which crowd there
    x_ = {left / 2.5, right * kRoomForLabels, plot_.left, plot_.right};
    y_ = {low / 2.0, high * 2.0, plot_.bottom, plot_.top};
  }

  [[nodiscard]] std::string svg() {
    std::string text = fmt::format("<text class=\"title\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", plot_.left,
                                   plot_.top - 16.0, escaped(panel_.title));
    text += grid();
    text += roofs();  // before the points: their labels keep off the roofs
    text += points();
    return text;
  }

 private:
  [[nodiscard]] std::string grid() const {
    std::string text;
    for_each_tick(x_, [&](double value, bool decade) {
      const double x = x_.at(value);
      text += fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n",
                          decade ? "decade" : "tick", x, plot_.top, x, plot_.bottom);
      if (decade) {
        text += fmt::format("<text class=\"number\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n", x,
                            plot_.bottom + 18.0, tick_label(value));
      }
    });
    for_each_tick(y_, [&](double value, bool decade) {
      const double y = y_.at(value);
      text += fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n",
                          decade ? "decade" : "tick", plot_.left, y, plot_.right, y);
      if (decade) {
        text += fmt::format("<text class=\"number\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n",
                            plot_.left - 8.0, y + 4.0, tick_label(value / kGiga));
      }
    });
    text += fmt::format("<rect class=\"frame\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n",
                        plot_.left, plot_.top, plot_.right - plot_.left, plot_.bottom - plot_.top);
    text += fmt::format(
        "<text class=\"axis\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">arithmetic intensity: FLOP per byte "
        "that "
        "must be read or written</text>\n",
        (plot_.left + plot_.right) / 2.0, plot_.bottom + 44.0);
    const double middle = (plot_.top + plot_.bottom) / 2.0;
    text += fmt::format(
        "<text class=\"axis\" x=\"{0:.1f}\" y=\"{1:.1f}\" text-anchor=\"middle\" transform=\"rotate(-90 {0:.1f} "
        "{1:.1f})\">speed: GFLOP/s</text>\n",
        plot_.left - 58.0, middle);
    return text;
  }

  /// The memory's slope with its name along it, then the horizontal roofs with theirs beside the plot.
  std::string roofs() {
    const RooflineRoof& highest = *std::ranges::max_element(panel_.roofs, {}, &RooflineRoof::flops);
    std::string text =
        roof_line({slope_begin(), panel_.memory * slope_begin()}, {highest.flops / panel_.memory, highest.flops});
    for (const RooflineRoof& roof : panel_.roofs) {
      text += roof_line({roof.flops / panel_.memory, roof.flops}, {x_.high, roof.flops});
    }
    return text + slope_label() + roof_labels();
  }

  /// Where the slope enters the plot, from the left or from below.
  [[nodiscard]] double slope_begin() const { return std::max(x_.low, y_.low / panel_.memory); }

  /// A roof, which labels keep away from.
  std::string roof_line(const Position& from, const Position& to) {
    const Position begin{x_.at(from.x), y_.at(from.y)};
    const Position end{x_.at(to.x), y_.at(to.y)};
    constexpr double kPart = 8.0;
    const double parts = std::ceil(std::hypot(end.x - begin.x, end.y - begin.y) / kPart);
    for (double part = 0.0; part < parts; part += 1.0) {
      const double x = begin.x + (end.x - begin.x) * part / parts;
      const double y = begin.y + (end.y - begin.y) * part / parts;
      obstacles_.push_back({x, std::min(y, y + (end.y - begin.y) / parts) - 2.0, x + (end.x - begin.x) / parts,
                            std::max(y, y + (end.y - begin.y) / parts) + 2.0});
    }
    return fmt::format("<line class=\"roof\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", begin.x,
                       begin.y, end.x, end.y);
  }

  std::string slope_label() {
    const std::string label = fmt::format("memory {:.1f} GB/s", panel_.memory / kGiga);
    const Position begin{x_.at(slope_begin()), y_.at(panel_.memory * slope_begin())};
    const double far = slope_begin() * 10.0;
    const double angle = std::atan2(y_.at(panel_.memory * far) - begin.y, x_.at(far) - begin.x);
    constexpr double kAlong = 14.0;
    constexpr double kAbove = 7.0;
    const Position at{begin.x + kAlong * std::cos(angle) + kAbove * std::sin(angle),
                      begin.y + kAlong * std::sin(angle) - kAbove * std::cos(angle)};
    // What the slanted text covers, as a row of squares.
    for (double along = 0.0; along < kBoldCharacterWidth * static_cast<double>(label.size());
         along += kLineHeight / 2.0) {
      const double x = at.x + along * std::cos(angle);
      const double y = at.y + along * std::sin(angle);
      obstacles_.push_back({x - 2.0, y - kLineHeight, x + kLineHeight, y + 2.0});
    }
    return fmt::format(
        "<text class=\"roof-label\" x=\"{0:.1f}\" y=\"{1:.1f}\" transform=\"rotate({2:.1f} {0:.1f} {1:.1f})\">"
        "{3}</text>\n",
        at.x, at.y, angle * 180.0 / std::numbers::pi, escaped(label));
  }

  /// From top to bottom, moved apart where roofs are close.
  [[nodiscard]] std::string roof_labels() const {
    std::vector<RooflineRoof> sorted = panel_.roofs;
    std::ranges::sort(sorted, std::ranges::greater{}, &RooflineRoof::flops);
    constexpr double kLines = 2.0 * kLineHeight + 4.0;
    std::string text;
    double free = plot_.top - kLines;
    for (const RooflineRoof& roof : sorted) {
      const double y = y_.at(roof.flops);
      const double label = std::max(y - kLineHeight / 2.0, free);
      free = label + kLines;
      text += fmt::format("<line class=\"leader\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n",
                          plot_.right, y, plot_.right + 12.0, label + kLineHeight / 2.0);
      text += fmt::format(
          "<text class=\"roof-label\" x=\"{0:.1f}\" y=\"{1:.1f}\">{2}</text>\n"
          "<text class=\"roof-label\" x=\"{0:.1f}\" y=\"{3:.1f}\">{4:.0f} GFLOP/s</text>\n",
          plot_.right + 16.0, label + kFontSize - 2.0, escaped(roof.label), label + kFontSize - 2.0 + kLineHeight,
          roof.flops / kGiga);
    }
    return text;
  }

  [[nodiscard]] std::string points() const {
    std::vector<Labelled> labelled;
    for (const RooflinePoint& point : panel_.points) {
      labelled.push_back({{x_.at(point.intensity), y_.at(point.flops)}, text_width(point.label), kLineHeight});
    }
    const Box inside{plot_.left + 4.0, plot_.top + 4.0, plot_.right - 4.0, plot_.bottom - 4.0};
    const std::vector<Box> boxes = place_labels(labelled, obstacles_, inside);
    std::string leaders;
    std::string marks;
    for (std::size_t i = 0; i < labelled.size(); ++i) {
      const RooflinePoint& point = panel_.points[i];
      const Position at = labelled[i].at;
      const Position to = boxes[i].nearest(at);
      constexpr double kBeside = 9.0;
      if (std::hypot(to.x - at.x, to.y - at.y) > kBeside) {
        leaders += fmt::format("<line class=\"leader\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n",
                               at.x, at.y, to.x, to.y);
      }
      marks += fmt::format("<g class=\"point\"><title>{}</title>{}{}</g>\n", escaped(point.details),
                           marker(series_index(point), at), label(point, boxes[i], at));
    }
    return leaders + marks;
  }

  /// The text begins or ends at the side of its box that is nearer to the point.
  [[nodiscard]] std::string label(const RooflinePoint& point, const Box& box, const Position& at) const {
    const char* anchor = box.left > at.x ? "start" : box.right < at.x ? "end" : "middle";
    const double x = box.left > at.x ? box.left : box.right < at.x ? box.right : (box.left + box.right) / 2.0;
    return fmt::format("<text class=\"label\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" style=\"fill:{}\">{}</text>",
                       x, box.bottom - 3.5, anchor, colour(series_index(point)), escaped(point.label));
  }

  [[nodiscard]] std::size_t series_index(const RooflinePoint& point) const {
    return static_cast<std::size_t>(std::ranges::find(series_, point.series) - series_.begin());
  }

 public:
  static const char* colour(std::size_t series) { return kColours.at(series % kColours.size()); }

  /// Discs and squares in turns, so that colour isn't all that tells them apart.
  static std::string marker(std::size_t series, const Position& at) {
    if (series % 2 == 0) {
      return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4.5\" fill=\"{}\"/>", at.x, at.y, colour(series));
    }
    return fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"9\" height=\"9\" fill=\"{}\"/>", at.x - 4.5, at.y - 4.5,
                       colour(series));
  }

 private:
  const RooflinePanel& panel_;
  const std::vector<std::string>& series_;
  Box plot_;
  Axis x_{};
  Axis y_{};
  std::vector<Box> obstacles_;
};

constexpr const char* kStyle = R"(<style>
text { font-family: "DejaVu Sans", Verdana, Helvetica, sans-serif; font-size: 12px; fill: #222; }
.heading { font-size: 20px; font-weight: bold; }
.title { font-size: 16px; font-weight: bold; }
.axis { font-size: 13px; }
.number { fill: #444; }
.label { font-size: 11px; paint-order: stroke; stroke: #fff; stroke-width: 3px; stroke-linejoin: round; }
.roof-label { fill: #222; font-weight: bold; paint-order: stroke; stroke: #fff; stroke-width: 3px; }
.roof { stroke: #222; stroke-width: 2; }
.decade { stroke: #ccc; stroke-width: 1; }
.tick { stroke: #eee; stroke-width: 1; }
.frame { fill: none; stroke: #888; stroke-width: 1; }
.leader { stroke: #777; stroke-width: 0.8; }
</style>
)";

std::string head(const Roofline& roofline) {
  std::string text =
      fmt::format("<text class=\"heading\" x=\"30\" y=\"34\">{}</text>\n<text x=\"30\" y=\"56\">{}</text>\n",
                  escaped(roofline.title), escaped(roofline.subtitle));
  double x = 36.0;
  for (std::size_t i = 0; i < roofline.series.size(); ++i) {
    text += Panel::marker(i, {x, 76.0});
    text += fmt::format("<text x=\"{:.1f}\" y=\"80\">{}</text>\n", x + 12.0, escaped(roofline.series[i]));
    x += text_width(roofline.series[i]) + 50.0;
  }
  text += fmt::format("<text x=\"{:.1f}\" y=\"80\">a percentage is the part of the roof above the point</text>\n", x);
  return text;
}

}  // namespace

std::string roofline_svg(const Roofline& roofline) {
  const double height = kHeadHeight + kPanelHeight * static_cast<double>(roofline.panels.size());
  std::string text = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "role=\"img\">\n<title>{2}</title>\n{3}<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
      kWidth, height, escaped(roofline.title), kStyle);
  text += head(roofline);
  double top = kHeadHeight;
  for (const RooflinePanel& panel : roofline.panels) {
    text += Panel(panel, roofline.series, top).svg();
    top += kPanelHeight;
  }
  return text + "</svg>\n";
}

}  // namespace convmixer::perf

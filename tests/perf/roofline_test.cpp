#include "roofline.hpp"

#include "convmixer/core/file.hpp"
#include "support/svg_file.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace convmixer::perf {
namespace {

using testing::HasSubstr;
using testing_support::SvgElement;
using testing_support::SvgFile;

Roofline example() {
  return {.title = "Roofs <of> \"this\" & that",
          .subtitle = "a machine",
          .series = {"oneDNN", "hand-written"},
          .panels = {{.title = "f32",
                      .memory = 10e9,
                      .roofs = {{"f32 multiply-adds", 200e9}, {"f32 products of matrices", 190e9}},
                      .points = {{"add & more", "oneDNN", "1 ms", 0.1, 1e9},
                                 {"product", "oneDNN", "2 ms", 100.0, 190e9},
                                 {"product", "hand-written", "3 ms", 100.0, 100e9}}},
                     {.title = "bf16",
                      .memory = 10e9,
                      .roofs = {{"bf16 products of matrices", 400e9}},
                      .points = {{"product", "hand-written", "4 ms", 50.0, 100e9}}}}};
}

double number(const SvgElement& element, const std::string& name) { return std::stod(element.at(name)); }

TEST(Roofline, IsWellFormedXmlWithAPointForEachOperation) {
  const SvgFile svg(roofline_svg(example()));  // fails unless well-formed
  EXPECT_EQ(svg.count("g", "point"), 4U);
  EXPECT_EQ(svg.texts("label"), (std::vector<std::string>{"add & more", "product", "product", "product"}));
}

TEST(Roofline, NamesAxesRoofsAndSeries) {
  const SvgFile svg(roofline_svg(example()));
  const std::vector<std::string> axes = svg.texts("axis");
  EXPECT_EQ(axes.size(), 4U);
  EXPECT_THAT(axes, testing::Contains(HasSubstr("FLOP per byte")));
  EXPECT_THAT(axes, testing::Contains(HasSubstr("GFLOP/s")));
  EXPECT_THAT(svg.texts("roof-label"), testing::IsSupersetOf({"memory 10.0 GB/s", "f32 multiply-adds", "200 GFLOP/s",
                                                              "f32 products of matrices", "190 GFLOP/s"}));
  EXPECT_THAT(svg.texts(""), testing::IsSupersetOf({"oneDNN", "hand-written"}));
}

TEST(Roofline, PutsPointsWhereBothLogarithmicAxesSay) {
  const SvgFile svg(roofline_svg(example()));
  const std::vector<SvgElement> discs = svg.elements("circle");  // the legend's first, then the first series
  ASSERT_EQ(discs.size(), 3U);
  const std::vector<SvgElement> roofs = svg.elements("line", "roof");
  // The first point is at 0.1 FLOP per byte and 1 GFLOP/s: on the slope, which is drawn first.
  const double slope =
      (number(roofs[0], "y2") - number(roofs[0], "y1")) / (number(roofs[0], "x2") - number(roofs[0], "x1"));
  const double on_slope = number(roofs[0], "y1") + slope * (number(discs[1], "cx") - number(roofs[0], "x1"));
  EXPECT_NEAR(number(discs[1], "cy"), on_slope, 0.3);
  // The second reaches the roof of 190 GFLOP/s, and is three decades of intensity to the right.
  EXPECT_NEAR(number(discs[2], "cy"), number(roofs[2], "y1"), 0.11);
  const std::vector<SvgElement> decades = svg.elements("line", "decade");
  const double decade = number(decades[1], "x1") - number(decades[0], "x1");
  EXPECT_NEAR(number(discs[2], "cx") - number(discs[1], "cx"), 3.0 * decade, 0.3);
}

TEST(Roofline, RoofsMeetTheSlopeAtTheirRidge) {
  const SvgFile svg(roofline_svg(example()));
  const std::vector<SvgElement> roofs = svg.elements("line", "roof");
  ASSERT_EQ(roofs.size(), 5U);  // slope and two roofs, slope and one
  EXPECT_NEAR(number(roofs[0], "x2"), number(roofs[1], "x1"), 0.11);
  EXPECT_NEAR(number(roofs[0], "y2"), number(roofs[1], "y1"), 0.11);
  EXPECT_DOUBLE_EQ(number(roofs[1], "y1"), number(roofs[1], "y2"));
}

TEST(Roofline, KeepsLabelsOffTheRoofs) {
  Roofline roofline = example();
  roofline.panels.resize(1);
  std::vector<RooflinePoint>& points = roofline.panels.front().points;
  points.erase(points.begin());  // the one left of all horizontal roofs
  for (RooflinePoint& point : points) point.flops = 190e9;
  const SvgFile svg(roofline_svg(roofline));
  for (const SvgElement& label : svg.elements("text", "label")) {
    const double bottom = number(label, "y") + 3.0;
    for (const SvgElement& roof : svg.elements("line", "roof")) {
      if (roof.at("y1") != roof.at("y2")) continue;  // the slope
      EXPECT_FALSE(bottom - 13.0 < number(roof, "y1") && number(roof, "y1") < bottom);
    }
  }
}

TEST(Roofline, OfNothingStillHasItsRoofs) {
  Roofline roofline = example();
  for (RooflinePanel& panel : roofline.panels) panel.points.clear();
  const SvgFile svg(roofline_svg(roofline));
  EXPECT_EQ(svg.count("g", "point"), 0U);
  EXPECT_EQ(svg.elements("line", "roof").size(), 5U);
}

}  // namespace
}  // namespace convmixer::perf

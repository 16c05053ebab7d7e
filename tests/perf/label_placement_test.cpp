#include "label_placement.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>

namespace convmixer::perf {
namespace {

constexpr Box kBounds{0.0, 0.0, 800.0, 600.0};

/// Labels lie inside the bounds and on nothing else.
void expect_free(const std::vector<Labelled>& labels, const std::vector<Box>& obstacles,
                 const std::vector<Box>& boxes) {
  ASSERT_EQ(boxes.size(), labels.size());
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    EXPECT_TRUE(kBounds.contains(boxes[i])) << i;
    EXPECT_NEAR(boxes[i].right - boxes[i].left, labels[i].width, 1e-9);
    EXPECT_NEAR(boxes[i].bottom - boxes[i].top, labels[i].height, 1e-9);
    for (const Box& obstacle : obstacles) EXPECT_FALSE(boxes[i].overlaps(obstacle)) << i;
    for (std::size_t j = 0; j < boxes.size(); ++j) {
      const Position& at = labels[j].at;
      EXPECT_FALSE(boxes[i].overlaps({at.x - 4.0, at.y - 4.0, at.x + 4.0, at.y + 4.0})) << i << " on point " << j;
      if (i != j) {
        EXPECT_FALSE(boxes[i].overlaps(boxes[j])) << i << " on " << j;
      }
    }
  }
}

TEST(LabelPlacement, PutsALoneLabelBesideItsPoint) {
  const std::vector<Labelled> labels{{{400.0, 300.0}, 100.0, 14.0}};
  const std::vector<Box> boxes = place_labels(labels, {}, kBounds);
  expect_free(labels, {}, boxes);
  const Position nearest = boxes[0].nearest(labels[0].at);
  EXPECT_LT(std::hypot(nearest.x - 400.0, nearest.y - 300.0), 10.0);
}

TEST(LabelPlacement, FindsRoomForAllInACrowd) {
  std::vector<Labelled> labels;
  for (int i = 0; i < 30; ++i) labels.push_back({{400.0 + 7.0 * (i % 5), 300.0 + 9.0 * i / 5}, 150.0, 14.0});
  expect_free(labels, {}, place_labels(labels, {}, kBounds));
}

TEST(LabelPlacement, KeepsInsideAndOffObstacles) {
  const std::vector<Labelled> labels{{{795.0, 5.0}, 120.0, 14.0}, {{5.0, 595.0}, 120.0, 14.0}};
  const std::vector<Box> obstacles{{650.0, 0.0, 785.0, 40.0}};
  expect_free(labels, obstacles, place_labels(labels, obstacles, kBounds));
}

TEST(LabelPlacement, KeepsTwinsAtOnePlaceApart) {
  const std::vector<Labelled> labels(4, {{400.0, 300.0}, 100.0, 14.0});
  expect_free(labels, {}, place_labels(labels, {}, kBounds));
}

}  // namespace
}  // namespace convmixer::perf

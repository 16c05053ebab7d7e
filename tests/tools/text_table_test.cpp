#include "text_table.hpp"

#include <gtest/gtest.h>

namespace convmixer::tool {
namespace {

std::vector<TableColumn> columns() {
  return {{.title = "run", .cells = {"a-rather-long-name", "b"}, .least = 8},
          {.title = "model", .cells = {"m1", "m2"}, .spared = 2},
          {.title = "best", .cells = {"9%", "10%"}, .right = true},
          {.title = "time", .cells = {"1m", "2m"}, .spared = 1},
          {.title = "tags", .cells = {"", ""}}};
}

TEST(TextTable, AlignsColumnsAndLeavesOutEmptyOnes) {
  EXPECT_EQ(format_table(columns(), 0, false),
            "run                 model  best  time\n"
            "a-rather-long-name  m1       9%  1m\n"
            "b                   m2      10%  2m\n");
}

TEST(TextTable, CutsBeforeItLeavesOutWhatMattersLeast) {
  EXPECT_EQ(format_table(columns(), 30, false),
            "run          model  best  time\n"
            "a-rather-..  m1       9%  1m\n"
            "b            m2      10%  2m\n");
  EXPECT_EQ(format_table(columns(), 24, false),
            "run           best  time\n"
            "a-rather-l..    9%  1m\n"
            "b              10%  2m\n");
  EXPECT_EQ(format_table(columns(), 3, false),
            "run       best\n"
            "a-rath..    9%\n"
            "b          10%\n");
}

TEST(TextTable, CountsTheColumnsOfWideCharacters) {
  EXPECT_EQ(format_table({{.title = "n", .cells = {"猫", "x"}}, {.title = "k", .cells = {"1", "2"}}}, 0, false),
            "n   k\n猫  1\nx   2\n");
}

}  // namespace
}  // namespace convmixer::tool

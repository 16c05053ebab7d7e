#include "text_columns.hpp"

#include "csv.hpp"

#include <gtest/gtest.h>

namespace convmixer::tool {
namespace {

TEST(TextColumns, CountCharactersAndTwoForWideOnes) {
  EXPECT_EQ(columns_of("cat"), 3U);
  EXPECT_EQ(columns_of("Gr\u00f6\u00dfe"), 5U);
  EXPECT_EQ(columns_of("\u732b\u72ac"), 4U);  // cat, dog
  EXPECT_EQ(columns_of("\U0001F408"), 2U);
}

TEST(TextColumns, CutBetweenCharactersAndShowIt) {
  EXPECT_EQ(cut_to_columns("automobile", 10), "automobile");
  EXPECT_EQ(cut_to_columns("automobile", 6), "auto..");
  EXPECT_EQ(cut_to_columns("automobile", 2), "au");
  EXPECT_EQ(cut_to_columns("\u00e4\u00f6\u00fc\u00df", 3), "\u00e4..");
  EXPECT_EQ(beginning_of("\u732b\u72ac", 3), "\u732b");
  EXPECT_EQ(beginning_of("cat", 0), "");
}

TEST(TextColumns, PadToTheSameWidth) {
  EXPECT_EQ(padded_to_columns("\u00f6", 3), "\u00f6  ");
  EXPECT_EQ(padded_to_columns("\u732b", 3), "\u732b ");
  EXPECT_EQ(padded_to_columns("cat", 2), "cat");
}

TEST(CsvField, IsQuotedWhereItHasToBe) {
  EXPECT_EQ(csv_field("cat"), "cat");
  EXPECT_EQ(csv_field("tench, Tinca tinca"), "\"tench, Tinca tinca\"");
  EXPECT_EQ(csv_field("6\" nail"), "\"6\"\" nail\"");
  EXPECT_EQ(csv_field("two\nlines"), "\"two\nlines\"");
  EXPECT_EQ(csv_field(" cat"), "\" cat\"");
  EXPECT_EQ(csv_field("\xff.png"), "\\xff.png");
}

}  // namespace
}  // namespace convmixer::tool

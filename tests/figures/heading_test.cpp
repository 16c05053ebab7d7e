#include "convmixer/figures/heading.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace convmixer {
namespace {

using testing::ElementsAre;

TEST(Heading, IsBrokenBetweenWordsWhereItIsTooLong) {
  const int width = text_width("some words", 1);
  EXPECT_THAT(Heading("some words and more", width).lines, ElementsAre("some words", "and more"));
}

TEST(Heading, BreaksAWordThatIsTooLongForALine) {
  const int width = text_width("0123456789", 1);
  EXPECT_THAT(Heading("a runs/0123456789abcdefghi x", width).lines,
              ElementsAre("a", "runs/01234", "56789abcde", "fghi x"));
  for (const std::string& line :
       Heading("\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4\u00f6", width).lines)
    EXPECT_LE(text_width(line, 1), width);
  EXPECT_THAT(Heading("\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4\u00f6", width).lines,
              ElementsAre("\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4", "\u00f6"));
}

}  // namespace
}  // namespace convmixer

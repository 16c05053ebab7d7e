#include "convmixer/core/printable.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace convmixer {
namespace {

TEST(Printable, LeavesTextOfAnyLanguageAlone) {
  for (const char* text : {"", "plain text, ~", "K\xc3\xa4tzchen", "\xe7\x8c\xab", "\xf0\x9f\x90\x88", "a\\b"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, EscapesWhatWouldMoveTheCursorOrTurnTheText) {
  EXPECT_EQ(printable("a\nb\tc\rd"), "a\\nb\\tc\\rd");
  EXPECT_EQ(printable("\x1b[31mred\x7f"), "\\x1b[31mred\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\x9b31m");  // CSI in one character
  EXPECT_EQ(printable("x\xe2\x80\xae"
                      "gnp"),
            "x\\u202egnp");  // right to left from here on
  EXPECT_EQ(printable("x\xe2\x80\xa8y\xd8\x9c"), "x\\u2028y\\u061c");
}

TEST(Printable, EscapesBytesThatAreNoText) {
  EXPECT_EQ(printable("ph\xffto"), "ph\\xffto");
  EXPECT_EQ(printable("\xc3"), "\\xc3");                             // cut
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");                    // '/' in two bytes
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // half a pair of UTF-16
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond Unicode
}

TEST(Printable, StaysReadableWhenItIsDoneTwice) { EXPECT_EQ(printable(printable("\x1b\xff")), "\\x1b\\xff"); }

TEST(Printable, CutsWhatNobodyWouldRead) {
  EXPECT_EQ(printable(std::string(5000, 'a')), std::string(2000, 'a') + "...");
}

TEST(ToUtf8, ChangesNothingButBytesThatAreNone) {
  EXPECT_EQ(to_utf8("K\xc3\xa4tz\nchen\x1b"), "K\xc3\xa4tz\nchen\x1b");
  EXPECT_EQ(to_utf8("\xe4 \xff"), "\\xe4 \\xff");
  EXPECT_EQ(to_utf8(std::string(5000, '\xff')).size(), 20000U);
  EXPECT_NO_THROW((void)nlohmann::json(to_utf8("\xff\xc3(\xa0")).dump());
}

}  // namespace
}  // namespace convmixer

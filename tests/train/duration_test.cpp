#include "convmixer/train/duration.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace convmixer {
namespace {

TEST(ParseDuration, ReadsUnitsAndPlainSeconds) {
  EXPECT_EQ(parse_duration("2h"), 7200);
  EXPECT_EQ(parse_duration("30m"), 1800);
  EXPECT_EQ(parse_duration("90s"), 90);
  EXPECT_EQ(parse_duration("1h30m"), 5400);
  EXPECT_EQ(parse_duration("1d2h3m4s"), 93784);
  EXPECT_EQ(parse_duration("3600"), 3600);
  EXPECT_EQ(parse_duration("0"), 0);
  EXPECT_EQ(parse_duration("0s"), 0);
}

TEST(ParseDuration, RefusesEverythingElse) {
  for (const char* text : {"", "h", "2x", "-5m", "5 m", "1h30", "30m1h", "1h1h", "1.5h", "2hh", "1h-30m", "two hours",
                           "99999999999999999999s", "4000d", "3000d3000h999999999s", "+3s"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(FormatDuration, IsReadBackAsItWas) {
  for (const std::int64_t seconds : {0, 1, 59, 60, 3600, 5400, 86399, 86400, 93784, 31536000}) {
    EXPECT_EQ(parse_duration(format_duration(seconds)), seconds) << format_duration(seconds);
  }
  EXPECT_EQ(format_duration(5400), "1h30m");
  EXPECT_EQ(format_duration(0), "0s");
}

TEST(FormatTimeLeft, ShowsTheTwoLargestUnits) {
  EXPECT_EQ(format_time_left(0.04), "0.0s");
  EXPECT_EQ(format_time_left(9.94), "9.9s");
  EXPECT_EQ(format_time_left(9.96), "10s");
  EXPECT_EQ(format_time_left(59.4), "59s");
  EXPECT_EQ(format_time_left(59.6), "1m00s");
  EXPECT_EQ(format_time_left(432.0), "7m12s");
  EXPECT_EQ(format_time_left(3720.0), "1h02m");
  EXPECT_EQ(format_time_left(273600.0), "3d04h");
}

TEST(FormatTimeLeft, RoundsToTheSmallerUnit) {
  EXPECT_EQ(format_time_left(3599.4), "59m59s");
  EXPECT_EQ(format_time_left(3599.6), "1h00m");
  EXPECT_EQ(format_time_left(7169.0), "1h59m");
  EXPECT_EQ(format_time_left(7199.0), "2h00m");
  EXPECT_EQ(format_time_left(86369.0), "23h59m");
  EXPECT_EQ(format_time_left(86371.0), "1d00h");
  EXPECT_EQ(format_time_left(172799.0), "2d00h");
}

TEST(FormatTimeLeft, AdmitsThatItDoesNotKnow) {
  EXPECT_EQ(format_time_left(std::numeric_limits<double>::infinity()), "?");
  EXPECT_EQ(format_time_left(std::numeric_limits<double>::quiet_NaN()), "?");
  EXPECT_EQ(format_time_left(-1.0), "?");
}

}  // namespace
}  // namespace convmixer

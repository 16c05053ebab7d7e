#include "http/target.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convmixer::http {
namespace {

TEST(Target, IsAPathAndItsQuery) {
  const auto request = parse_target("/run?id=a%2fb%20c&id=d&flag&empty=&%C3%A4=%ff");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->path, "/run");
  EXPECT_EQ(request->value("id"), "a/b c");
  EXPECT_EQ(request->query.count("id"), 2U);
  EXPECT_EQ(request->query.count("flag"), 1U);
  EXPECT_EQ(request->value("\xC3\xA4"), "\xFF");
  EXPECT_EQ(request->value("other"), "");
  EXPECT_EQ(parse_target("/")->path, "/");
  EXPECT_EQ(parse_target("/a..b/...")->path, "/a..b/...");
}

class TargetRefuses : public testing::TestWithParam<const char*> {};

TEST_P(TargetRefuses, WhatNoBrowserAsksFor) { EXPECT_FALSE(parse_target(GetParam())); }

INSTANTIATE_TEST_SUITE_P(Paths, TargetRefuses,
                         testing::Values("", "*", "a", "http://other/", "//other/", "/%2Fother/", "/%2f%2Fother", "/..",
                                         "/../etc/passwd", "/a/../b", "/a/..", "/./a", "/%2e%2e/a", "/a%2f..%2fb",
                                         "/%2E./", "/a/%2e", "/..%5c..%5ca", "/a\\b", "/a%00", "/?id=%00",
                                         "/%0d%0aSet-Cookie:x", "/a\x7f", "/%", "/%2", "/%zz", "/%+1", "/%-1",
                                         "/?a=%g0"));

TEST(PercentEncoded, IsDecodedAgain) {
  std::string bytes;
  for (int c = 0x20; c < 0x100; ++c)
    if (c != 0x7f) bytes += static_cast<char>(c);
  const auto request = parse_target("/?" + percent_encoded(bytes) + "=" + percent_encoded(bytes));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->value(bytes), bytes);
}

}  // namespace
}  // namespace convmixer::http

#include "http/access.hpp"

#include "http/target.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convmixer::http {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

const Request kPage{"/", {}};

int status(const Access& access, const Credentials& credentials, const std::string& target = "/") {
  const auto answer = access.answer_instead(*parse_target(target), credentials);
  return answer ? answer->status : 200;
}

TEST(LocalAccess, IsForTheNamesOfThisMachineAlone) {
  for (const char* host : {"localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:8686", "[::1]", "[::1]:80"})
    EXPECT_EQ(status(Access::local(), {.host = host}), 200) << host;
  for (const char* host : {"", "evil.example", "evil.example:8686", "localhost.evil.example", "127.0.0.1.evil.example",
                           "localhost:x", "127.0.0.1@evil.example", "[::1].evil.example", "192.168.0.1", "[::2]"})
    EXPECT_EQ(status(Access::local(), {.host = host}), 403) << host;
}

TEST(LocalAccess, IsForTheChosenNameToo) {
  const Access access = Access::local("Desk.Home");
  for (const char* host : {"desk.home", "DESK.home:8686", "localhost"})
    EXPECT_EQ(status(access, {.host = host}), 200) << host;
  for (const char* host : {"", "home", "desk.home.evil.example", "evil.example", "desk", "desk.home:x"})
    EXPECT_EQ(status(access, {.host = host}), 403) << host;
  EXPECT_THAT(*access.answer_instead(kPage, {.host = "evil.example"})->body,
              HasSubstr("for localhost, 127.0.0.1, [::1] and desk.home alone"));
  EXPECT_EQ(status(Access::local("127.0.1.1"), {.host = "127.0.1.1:80"}), 200);
  EXPECT_EQ(status(Access::local("[fe80::1%lo]"), {.host = "[fe80::1%lo]:80"}), 200);
  EXPECT_THAT(*Access::local("LocalHost").answer_instead(kPage, {.host = "evil.example"})->body,
              HasSubstr("for localhost, 127.0.0.1 and [::1] alone"));
}

class TokenAccess : public testing::Test {
 protected:
  Access access_ = Access::by_token("00112233445566778899aabbccddeeff", 8686);
};

TEST_F(TokenAccess, IsRefusedWithoutTheToken) {
  EXPECT_EQ(status(access_, {.host = "localhost"}), 403);
  EXPECT_EQ(status(access_, {}, "/?token="), 403);
  EXPECT_EQ(status(access_, {}, "/?token=00112233445566778899aabbccddeefe"), 403);
  EXPECT_EQ(status(access_, {}, "/?token=00112233445566778899aabbccddeeff0"), 403);
  EXPECT_EQ(status(access_, {}, "/?token=00112233445566778899aabbccddeef"), 403);
  EXPECT_EQ(status(access_, {.cookies = "convmixer-8686=x; convmixer-1=00112233445566778899aabbccddeeff"}), 403);
  EXPECT_EQ(status(access_, {.cookies = "; ;=;convmixer-8686"}), 403);
  EXPECT_EQ(status(access_, {.authorization = "Bearer "}), 403);
  EXPECT_EQ(status(access_, {.authorization = "00112233445566778899aabbccddeeff"}), 403);
}

TEST_F(TokenAccess, TurnsTheTokenInTheAddressIntoACookie) {
  const auto answer = access_.answer_instead(*parse_target("/a%20b/c?run=x%26y&token=00112233445566778899aabbccddeeff"),
                                             {.host = "any"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 303);
  EXPECT_EQ(answer->location, "/a%20b/c?run=x%26y");
  EXPECT_EQ(answer->set_cookie, "convmixer-8686=00112233445566778899aabbccddeeff; Path=/; HttpOnly; SameSite=Lax");
  EXPECT_EQ(status(access_, {.cookies = "a=b; convmixer-8686=00112233445566778899aabbccddeeff"}), 200);
  EXPECT_EQ(status(access_, {.authorization = "Bearer 00112233445566778899aabbccddeeff"}), 200);
}

TEST(RandomToken, Has128BitsThatAreNewEachTime) {
  EXPECT_THAT(random_token(), MatchesRegex("[0-9a-f]{32}"));
  EXPECT_NE(random_token(), random_token());
}

}  // namespace
}  // namespace convmixer::http

#include "watch/watch_pages.hpp"

#include "http/target.hpp"
#include "tools/watched_folder.hpp"
#include "watch/page_address.hpp"
#include "watch/run_id.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace convmixer::tool {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::step_line;

class WatchPagesTest : public testing::Test {
 protected:
  WatchPagesTest() { folder_.add_run("a"); }

  [[nodiscard]] http::Response ask(const std::string& target) { return pages_.answer(*http::parse_target(target)); }
  [[nodiscard]] Json json(const std::string& target) {
    const http::Response response = ask(target);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.type, "application/json");
    return Json::parse(*response.body);
  }
  /// The document in the page.
  [[nodiscard]] Json document(const std::string& target = "/") {
    const std::string text = *ask(target).body;
    const std::string open = R"(<script type="application/json" id="run-document">)";
    const std::size_t begin = text.find(open) + open.size();
    return Json::parse(text.substr(begin, text.find("</script>", begin) - begin));
  }

  testing_support::WatchedFolder folder_;
  WatchPages pages_{folder_.path(), {.seconds_between_searches = 0.0}};
};

TEST_F(WatchPagesTest, ShowAllRunsAndTickTheLast) {
  folder_.add_run("b");
  const Json shown = document();
  EXPECT_EQ(shown["runs"].size(), 2U);
  EXPECT_EQ(shown["live"]["ticked"].size(), 1U);
  EXPECT_EQ(document("/?run=b&run=a&run=none")["live"]["ticked"], Json::array({"b", "a"}));
  EXPECT_EQ(document("/?run=")["live"]["ticked"], Json::array());
  std::filesystem::remove_all(folder_.path() / "b");
  EXPECT_EQ(document("/?run=")["live"]["ticked"], Json::array({"a"}));
  EXPECT_THAT(ask("/").policy, HasSubstr("frame-ancestors 'none'"));
}

TEST_F(WatchPagesTest, TickTheRunOfAnAddressWhateverItIsCalled) {
  for (const char* name : {"50%", "50%25", "lr 0.1", "line\nbreak", "a&run=b", "\xff", "\xc3\xbc"}) {
    folder_.add_run(name);
    const std::string target = target_of_run(run_id(name));
    ASSERT_TRUE(http::parse_target(target)) << target;
    EXPECT_EQ(document(target)["live"]["ticked"], Json::array({run_id(name)})) << target;
  }
  EXPECT_EQ(document()["runs"].size(), 8U);
}

TEST_F(WatchPagesTest, TickWhatIsBeingTrained) {
  for (const char* name : {"b", "c"}) folder_.add_run(name);
  const RunFolderLock lock = folder_.lock("b");
  EXPECT_EQ(document()["live"]["ticked"], Json::array({"b"}));
}

TEST_F(WatchPagesTest, TellOfRunsOfPointsAndOfNewRuns) {
  const Json shown = document();
  const std::string since = "/changes?since=" + shown["live"]["changes"].dump();
  EXPECT_EQ(json(since), (Json{{"server", shown["live"]["server"]}, {"changes", shown["live"]["changes"]}}));

  const Json run = json("/run?id=a");
  folder_.append("a", step_line(2, 15, 1.0));
  folder_.add_run("b");
  const Json news = json(since + "&told=" + run["told"].get<std::string>() + ".a");
  EXPECT_EQ(news["increments"][0]["id"], "a");
  EXPECT_EQ(news["increments"][0]["steps"]["loss"]["value"], Json::array({1.0}));
  EXPECT_EQ(news["runs"][0]["id"], "b");
  EXPECT_EQ(news["ids"].size(), 2U);
  EXPECT_FALSE(json("/changes?since=" + news["changes"].dump()).contains("runs"));
}

TEST_F(WatchPagesTest, TellOfFiguresWhenThereAreWeightsAndWhenTheseAreOthers) {
  EXPECT_FALSE(json("/run?id=a").contains("figures_of"));
  EXPECT_THAT(json("/figures?id=a")["missing"][0].get<std::string>(), HasSubstr("no weights are saved yet"));

  folder_.save_weights("a", 1);
  const Json before = json("/run?id=a");
  const std::string since = document()["live"]["changes"].dump();
  const Json figures = json("/figures?id=a");
  EXPECT_EQ(figures["filters_of"], "best weights after epoch 1");
  EXPECT_EQ(figures["filters"].size(), 2U);
  EXPECT_FALSE(figures.contains("contact_sheet"));

  folder_.save_weights("a", 2);
  const Json news = json("/changes?since=" + since + "&told=" + before["told"].get<std::string>() + ".a");
  EXPECT_NE(news["increments"][0]["figures_of"], before["figures_of"]);
  EXPECT_EQ(json("/figures?id=a")["filters_of"], "best weights after epoch 2");
}

TEST_F(WatchPagesTest, AnswerNothingElse) {
  for (const char* target : {"/figures", "/figures?id=none", "/run", "/run?id=none", "/run?id=..", "/run?id=%2e%2e%2fa",
                             "/other", "/a/metrics.jsonl"})
    EXPECT_EQ(ask(target).status, 404) << target;
  EXPECT_EQ(json("/changes?since=x&told=y&told=1.2.3.none&other")["runs"].size(), 1U);
}

TEST_F(WatchPagesTest, ShowHtmlAsText) {
  folder_.add_run("c", "model = convmixer\nnote = </script><script>alert(1)</script>\n");
  EXPECT_THAT(*ask("/").body, Not(HasSubstr("<script>alert")));
  const Json runs = document()["runs"];
  const auto is_noted = [](const Json& run) { return run.value("note", "") == "</script><script>alert(1)</script>"; };
  EXPECT_EQ(std::count_if(runs.begin(), runs.end(), is_noted), 1);
}

TEST_F(WatchPagesTest, KnowWhetherSomebodyLooks) {
  EXPECT_FALSE(pages_.is_looked_at());
  (void)ask("/");
  EXPECT_TRUE(pages_.is_looked_at());
}

}  // namespace
}  // namespace convmixer::tool

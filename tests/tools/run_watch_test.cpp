#include "watch/run_watch.hpp"

#include "tools/watched_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using testing_support::end_line;
using testing_support::epoch_line;
using testing_support::session_line;
using testing_support::step_line;

constexpr RunWatchOptions kAtOnce{.seconds_between_searches = 0.0};

class RunWatchTest : public testing::Test {
 protected:
  /// What a page that got the run as a whole sends along.
  [[nodiscard]] static Told told(const Json& json) {
    return *Told::parse(json["told"].get<std::string>() + "." + json["id"].get<std::string>());
  }

  testing_support::WatchedFolder folder_;
};

TEST_F(RunWatchTest, ListsTheRunsBelowAFolder) {
  folder_.add_run("a");
  folder_.add_run("seeds/b c");
  fs::create_directory(folder_.path() / "empty");
  RunWatch runs(folder_.path(), kAtOnce);
  runs.refresh();
  EXPECT_THAT(runs.ids(), UnorderedElementsAre("a", "seeds/b c"));
  const Json summary = runs.summary("seeds/b c");
  EXPECT_EQ(summary["name"], "seeds/b c");
  EXPECT_EQ(summary["progress"]["epoch"], 1);
  EXPECT_EQ(summary["progress"]["epochs"], 4);
  EXPECT_EQ(summary["last"]["accuracy"], 0.25);
  EXPECT_FALSE(summary.contains("epochs"));
  EXPECT_FALSE(summary.contains("settings"));
}

TEST_F(RunWatchTest, FollowsNoLinksAndNoDeeperThanItIsTold) {
  folder_.add_run("a/b/c");
  const testing_support::WatchedFolder other;
  other.add_run("x");
  fs::create_directory_symlink(other.path(), folder_.path() / "link");
  fs::create_directory_symlink(folder_.path(), folder_.path() / "circle");
  RunWatch deep(folder_.path(), kAtOnce);
  deep.refresh();
  EXPECT_THAT(deep.ids(), ElementsAre("a/b/c"));
  RunWatch flat(folder_.path(), {.depth = 2, .seconds_between_searches = 0.0});
  flat.refresh();
  EXPECT_THAT(flat.ids(), IsEmpty());
}

TEST_F(RunWatchTest, FindsRunsThatComeAndLosesThoseThatGo) {
  folder_.add_run("a");
  RunWatch runs(folder_.path(), kAtOnce);
  runs.refresh();
  const std::uint64_t before = runs.changes();
  EXPECT_FALSE(runs.has_other_runs_since(before));
  folder_.add_run("b");
  fs::remove_all(folder_.path() / "a");
  runs.refresh();
  EXPECT_TRUE(runs.has_other_runs_since(before));
  EXPECT_THAT(runs.ids(), ElementsAre("b"));
  EXPECT_THAT(runs.changed_since(before), ElementsAre("b"));
}

TEST_F(RunWatchTest, TellsWhatCameAndNothingTwice) {
  folder_.add_run("a");
  const RunFolderLock lock = folder_.lock("a");
  RunWatch runs(folder_.path(), kAtOnce);
  runs.refresh();
  const Json whole = *runs.whole("a");
  EXPECT_EQ(whole["steps"]["loss"]["step"], Json::array({5}));
  EXPECT_EQ(whole["epochs"]["eval_accuracy"], Json::array({0.25}));
  const std::uint64_t before = runs.changes();
  runs.refresh();
  EXPECT_EQ(runs.changes(), before);

  folder_.append("a", step_line(2, 15, 1.0) + epoch_line(2, 20, 0.5));
  runs.refresh();
  EXPECT_THAT(runs.changed_since(before), ElementsAre("a"));
  const Json news = *runs.news(told(whole)).increment;
  EXPECT_EQ(news["steps"]["loss"]["value"], Json::array({1.0}));
  EXPECT_EQ(news["epochs"]["eval_accuracy"], Json::array({0.5}));
  EXPECT_EQ(news["last"]["accuracy"], 0.5);
  EXPECT_EQ(news["log"].size(), 1U);
  const Json more = *runs.news(told(news)).increment;
  EXPECT_FALSE(more.contains("steps"));
  EXPECT_FALSE(more.contains("epochs"));
}

TEST_F(RunWatchTest, TellsStartsOnce) {
  folder_.add_run("a");
  const RunFolderLock lock = folder_.lock("a");
  folder_.append("a", end_line(1, 10, "signal") + session_line(1, 10));
  RunWatch runs(folder_.path(), kAtOnce);
  runs.refresh();
  const Json whole = *runs.whole("a");
  ASSERT_EQ(whole["log"].size(), 4U);  // began, epoch 1, stopped, went on
  folder_.append("a", epoch_line(2, 20, 0.5));
  runs.refresh();
  const Json second = *runs.news(told(whole)).increment;
  EXPECT_FALSE(second.contains("log"));
  ASSERT_EQ(second["whole_log"].size(), 5U);
  EXPECT_EQ(second["whole_log"][3], whole["log"][3]);
  folder_.append("a", epoch_line(3, 30, 0.5));
  runs.refresh();
  EXPECT_EQ((*runs.news(told(second)).increment)["log"].size(), 1U);
}

TEST_F(RunWatchTest, TellsTheStartOfARunWithoutEpochsOnce) {
  folder_.add_run("a");
  fs::remove(folder_.path() / "a/metrics.jsonl");
  folder_.append("a", session_line());
  const RunFolderLock lock = folder_.lock("a");
  RunWatch runs(folder_.path(), kAtOnce);
  runs.refresh();
  const Json whole = *runs.whole("a");
  ASSERT_EQ(whole["log"].size(), 1U);
  folder_.append("a", epoch_line(1, 10, 0.5));
  runs.refresh();
  const Json news = *runs.news(told(whole)).increment;
  ASSERT_EQ(news["whole_log"].size(), 2U);
  EXPECT_EQ(news["whole_log"][0], whole["log"][0]);
}

TEST_F(RunWatchTest, LeavesATornLastLineUntilItIsWhole) {
  folder_.add_run("a");
  RunWatch runs(folder_.path(), kAtOnce);
  runs.refresh();
  const Told first = told(*runs.whole("a"));
  const std::string line = step_line(2, 15, 1.0);
  folder_.append("a", line.substr(0, 30));
  runs.refresh();
  EXPECT_FALSE(runs.news(first).increment->contains("steps"));
  folder_.append("a", line.substr(30));
  runs.refresh();
  EXPECT_EQ((*runs.news(first).increment)["steps"]["loss"]["value"], Json::array({1.0}));
}

TEST_F(RunWatchTest, TellsTheWholeRunAgainWhenItBeganAnew) {
  folder_.add_run("a");
  folder_.append("a", step_line(2, 15, 1.0));
  RunWatch runs(folder_.path(), kAtOnce);
  runs.refresh();
  const Told before = told(*runs.whole("a"));
  fs::remove_all(folder_.path() / "a");
  folder_.add_run("a");
  runs.refresh();
  const RunWatch::News news = runs.news(before);
  EXPECT_FALSE(news.increment);
  ASSERT_TRUE(news.whole);
  EXPECT_EQ((*news.whole)["steps"]["loss"]["step"], Json::array({5}));
}

TEST_F(RunWatchTest, TellsTheWholeRunAgainWhenTheNewOneHasAsManyRecords) {
  folder_.add_run("a");
  folder_.append("a", step_line(2, 15, 1.0));
  RunWatch runs(folder_.path(), kAtOnce);
  runs.refresh();
  const Told before = told(*runs.whole("a"));
  fs::remove_all(folder_.path() / "a");
  folder_.add_run("a");
  folder_.append("a", step_line(2, 15, 0.125));
  runs.refresh();
  const RunWatch::News news = runs.news(before);
  ASSERT_TRUE(news.whole);
  EXPECT_EQ((*news.whole)["steps"]["loss"]["value"], Json::array({2.0, 0.125}));
}

TEST_F(RunWatchTest, KnowsWhatBecameOfRuns) {
  for (const char* name : {"running", "stopped", "finished", "failed", "died"}) folder_.add_run(name);
  folder_.append("stopped", end_line(1, 10, "signal"));
  folder_.append("finished", end_line(1, 10, "patience"));
  folder_.append("failed", testing_support::error_line(1, 10, "disk\x1b full"));
  const RunFolderLock lock = folder_.lock("running");
  RunWatch runs(folder_.path(), kAtOnce);
  runs.refresh();
  for (const char* name : {"running", "stopped", "finished", "failed", "died"})
    EXPECT_EQ(runs.summary(name)["state"], name);
  EXPECT_EQ(runs.summary("failed")["error"], "disk\\x1b full");
  EXPECT_EQ(runs.summary("died")["error"], "");
  EXPECT_EQ(runs.ids().front(), "running");
  EXPECT_EQ(runs.summary("running")["progress"]["seconds_left"], 30.0);  // three epochs of ten seconds
  EXPECT_FALSE(runs.summary("died")["progress"].contains("seconds_left"));
}

TEST_F(RunWatchTest, TellsTheTrainingsOwnEstimateOfTheTimeLeft) {
  folder_.add_run("a");
  const auto with_left = [](std::string line, double seconds) {
    return line.insert(line.rfind('}'), fmt::format(R"(,"left_s":{})", seconds));
  };
  const RunFolderLock lock = folder_.lock("a");
  RunWatch runs(folder_.path(), kAtOnce);
  const auto left = [&] {
    runs.refresh();
    return runs.summary("a")["progress"]["seconds_left"];
  };
  folder_.append("a", with_left(step_line(2, 15, 1.0), 7.5));
  EXPECT_EQ(left(), 7.5);
  folder_.append("a", with_left(step_line(2, 20, 1.0), 5.5) + with_left(epoch_line(2, 20, 0.5), 5.25));
  EXPECT_EQ(left(), 5.25);
  folder_.append("a", step_line(3, 25, 1.0));  // that an earlier release went on with
  EXPECT_EQ(left(), 15.0);
}

/// Nothing is written then.
TEST_F(RunWatchTest, NoticesThatARunWasKilled) {
  folder_.add_run("a");
  RunWatch runs(folder_.path(), kAtOnce);
  {
    const RunFolderLock lock = folder_.lock("a");
    runs.refresh();
    EXPECT_TRUE(runs.is_running("a"));
  }
  const std::uint64_t before = runs.changes();
  runs.refresh();
  EXPECT_THAT(runs.changed_since(before), ElementsAre("a"));
  EXPECT_EQ(runs.summary("a")["state"], "died");
}

TEST_F(RunWatchTest, ShowsWhatIsWrongWithARun) {
  folder_.add_run("bytes");
  folder_.append("bytes", std::string("\0\xff{\x80]\n", 7) + "{\"type\":3}\n" + epoch_line(2, 20, 0.5));
  folder_.add_run("link");
  fs::remove(folder_.path() / "link/config.ini");
  fs::create_symlink("/etc/passwd", folder_.path() / "link/config.ini");
  RunWatch runs(folder_.path(), kAtOnce);
  runs.refresh();
  EXPECT_THAT(runs.summary("bytes")["note"].get<std::string>(), HasSubstr("metrics.jsonl:4: no record"));
  EXPECT_EQ(runs.summary("bytes")["progress"]["epoch"], 2);
  EXPECT_THAT(runs.summary("link")["note"].get<std::string>(), HasSubstr("config.ini"));
  EXPECT_FALSE(runs.whole("link"));
  EXPECT_FALSE(runs.whole("../a"));
}

TEST_F(RunWatchTest, GivesEveryNameAnAddress) {
  const std::string odd("<b>\xff 100%\n");
  folder_.add_run(odd);
  RunWatch runs(folder_.path(), kAtOnce);
  runs.refresh();
  ASSERT_THAT(runs.ids(), ElementsAre("%3Cb%3E%FF%20100%25%0A"));
  EXPECT_TRUE(runs.whole(runs.ids().front()));
}

TEST_F(RunWatchTest, CallsRunsByTheirFoldersNotByTheirIds) {
  folder_.add_run("lr 50%");
  folder_.add_run("seeds/line\nbreak");
  folder_.add_run("same/a", "model = convmixer\ndim = 16\nepochs = 4\nname = n\n");
  folder_.add_run("same/50%", "model = convmixer\ndim = 16\nepochs = 4\nname = n\n");
  folder_.add_run("broken%");
  fs::remove(folder_.path() / "broken%/config.ini");
  fs::create_symlink("/etc/passwd", folder_.path() / "broken%/config.ini");
  RunWatch runs(folder_.path(), kAtOnce);
  runs.refresh();
  EXPECT_EQ(runs.summary("lr%2050%25")["name"], "lr 50%");
  EXPECT_EQ((*runs.whole("lr%2050%25"))["name"], "lr 50%");
  EXPECT_EQ(runs.summary("seeds%2Fline%0Abreak")["name"], "seeds/line\\nbreak");
  EXPECT_EQ((*runs.whole("same%2F50%25"))["name"], "n (same/50%)");
  EXPECT_EQ(runs.summary("broken%25")["name"], "broken%");
}

TEST_F(RunWatchTest, CallsTheRunThatItIsGivenByItsFolder) {
  folder_.add_run("50%");
  RunWatch runs(folder_.path() / "50%", kAtOnce);
  runs.refresh();
  ASSERT_THAT(runs.ids(), ElementsAre("."));
  EXPECT_EQ(runs.summary(".")["name"], "50%");
}

TEST_F(RunWatchTest, ReadsRunsAgainThatItHadNoRoomFor) {
  for (const char* name : {"a", "b", "c"}) folder_.add_run(name);
  RunWatch runs(folder_.path(), {.most_numbers = 30, .seconds_between_searches = 0.0});
  runs.refresh();
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ((*runs.whole(name))["steps"]["loss"]["step"].size(), 1U);
  folder_.append("a", step_line(2, 15, 1.0));
  runs.refresh();
  EXPECT_EQ((*runs.whole("a"))["steps"]["loss"]["step"].size(), 2U);
}

TEST_F(RunWatchTest, LetsGoOfWhatWasNotLookedAtForTheLongest) {
  for (const char* name : {"a", "b", "c"}) folder_.add_run(name);
  RunWatch runs(folder_.path(), {.most_numbers = 40, .seconds_between_searches = 0.0});  // of two runs
  runs.refresh();
  const Told a = told(*runs.whole("a"));
  const Told b = told(*runs.whole("b"));
  const Told c = told(*runs.whole("c"));
  runs.refresh();
  EXPECT_TRUE(runs.news(c).increment);
  EXPECT_TRUE(runs.news(b).increment);
  EXPECT_TRUE(runs.news(a).whole);
}

TEST_F(RunWatchTest, ShowsNoMoreRunsThanItMay) {
  for (int i = 0; i < 5; ++i) folder_.add_run("run-" + std::to_string(i));
  for (int i = 0; i < 5; ++i) {
    const fs::path metrics = folder_.path() / ("run-" + std::to_string(i)) / "metrics.jsonl";
    fs::last_write_time(metrics, fs::last_write_time(metrics) + std::chrono::seconds(10 * i));
  }
  RunWatch runs(folder_.path(), {.most_runs = 2, .seconds_between_searches = 0.0});
  runs.refresh();
  EXPECT_THAT(runs.ids(), ElementsAre("run-4", "run-3"));
}

TEST_F(RunWatchTest, FindsRunsOfAFolderThatIsYetToCome) {
  RunWatch runs(folder_.path() / "later", kAtOnce);
  runs.refresh();
  EXPECT_THAT(runs.ids(), IsEmpty());
  folder_.add_run("later/a");
  runs.refresh();
  EXPECT_THAT(runs.ids(), ElementsAre("a"));
}

TEST(ToldText, IsReadAsItIsWritten) {
  const auto told = Told::parse(Told::text({.steps = 12, .epochs = 3}, 7) + ".a.b/c d");
  ASSERT_TRUE(told);
  EXPECT_EQ(told->id, "a.b/c d");
  EXPECT_EQ(told->rows.steps, 12U);
  EXPECT_EQ(told->rows.epochs, 3U);
  EXPECT_EQ(told->reading, 7U);
  for (const char* text : {"", "1", "1.2", "1.2.3", "a.b.c.d", "-1.2.3.a", "1..3.a", "99999999999999999999.1.1.a"})
    EXPECT_FALSE(Told::parse(text)) << text;
}

}  // namespace
}  // namespace convmixer::tool

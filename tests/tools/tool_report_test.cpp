#include "convmixer/core/file.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <random>
#include <string>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kEpoch =
    R"({"type":"epoch","epoch":1,"step":10,"loss":1.5,"accuracy":0.5,"test_accuracy":0.4,"best_test_accuracy":0.4,"total_s":9})"
    "\n";

class ToolReport : public testing::Test {
 protected:
  /// A run that trained for one epoch.
  std::string run(const std::string& name, const std::string& config = "model = convmixer\ndim = 32\n") const {
    parent_.write(name + "/config.ini", config);
    parent_.write(name + "/metrics.jsonl", kEpoch);
    return (parent_.path() / name).string();
  }
  [[nodiscard]] fs::path page() const { return parent_.path() / "page.html"; }
  /// Runs that are made up have no weights to look at.
  [[nodiscard]] ToolResult report(std::vector<std::string> runs, const std::string& figures = "none") const {
    runs.insert(runs.begin(), "report");
    return run_tool(runs + std::vector<std::string>{"--figures", figures, "--out", page().string()});
  }
  /// The document in the page, as its text and read.
  [[nodiscard]] std::string document_text() const {
    const std::string text = read_text_file(page());
    const std::string open = R"(<script type="application/json" id="run-document">)";
    const std::size_t begin = text.find(open) + open.size();
    return text.substr(begin, text.find("</script>", begin) - begin);
  }
  [[nodiscard]] nlohmann::json document() const { return nlohmann::json::parse(document_text()); }

  testing_support::TemporaryFolder parent_;
};

TEST_F(ToolReport, WritesAPageOfEveryRunGiven) {
  const ToolResult result = report({run("a"), run("b", "model = convmixer\ndim = 64\n")});
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(result.output, HasSubstr(" of 2 runs in " + page().string()));
  const nlohmann::json json = document();
  ASSERT_EQ(json["runs"].size(), 2U);
  EXPECT_EQ(json["runs"][1]["name"], "b");
  EXPECT_EQ(json["runs"][1]["settings"][1]["value"], "64");
  EXPECT_EQ(json["runs"][0]["epochs"]["eval_accuracy"][0], 0.4);
}

TEST_F(ToolReport, ShowsHtmlInNamesAsText) {
  const std::string evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>";
  const std::string folder = run("evil <b>&amp; run");  // its name, which "</script>" can't be: a slash
  parent_.write("evil <b>&amp; run/config.ini", "model = " + evil + "\nunheard-of = " + evil + "\n");
  parent_.write("evil <b>&amp; run/data.json", R"({"classes":[{"name":"</script><b>"}]})");
  ASSERT_EQ(report({folder}).status, 0);
  for (const char* part : {"<", ">", "&"}) EXPECT_THAT(document_text(), Not(HasSubstr(part)));
  EXPECT_EQ(document()["runs"][0]["name"], "evil <b>&amp; run");
  EXPECT_EQ(document()["runs"][0]["settings"][1]["value"], evil);
  EXPECT_EQ(document()["runs"][0]["classes"][0], "</script><b>");
}

TEST_F(ToolReport, RefusesAMetricsFileOfRandomBytes) {
  std::mt19937 random(7);
  std::string bytes(20'000, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  const std::string folder = run("a");
  parent_.write("a/metrics.jsonl", bytes + "\n");
  const ToolResult result = report({folder});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.errors, HasSubstr(folder + "/metrics.jsonl:1: no record"));
  EXPECT_EQ(std::ranges::count(result.errors, '\n'), 1);
  EXPECT_FALSE(fs::exists(page()));
}

TEST_F(ToolReport, NotesLinesThatAreNoRecordsAndShowsTheOthers) {
  const std::string folder = run("a");
  parent_.write("a/metrics.jsonl", std::string("no record\n") + kEpoch + R"({"type":"epo)");
  const ToolResult result = report({folder});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.output, HasSubstr("note: " + folder + "/metrics.jsonl:1: no record"));
  EXPECT_EQ(document()["runs"][0]["epochs"]["epoch"].size(), 1U);
}

TEST_F(ToolReport, FollowsNoLinkOutOfTheFolder) {
  const std::string folder = run("a");
  const fs::path secret = parent_.write("secret", "password = 1234567\n");
  fs::remove(fs::path(folder) / "config.ini");
  fs::create_symlink(secret, fs::path(folder) / "config.ini");
  const ToolResult result = report({folder});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.errors, HasSubstr("config.ini"));
  EXPECT_FALSE(fs::exists(page()));
}

TEST_F(ToolReport, ShowsWhatTheBestWeightsTakeForWhatAndEvaluatesThemOnce) {
  const std::string folder = (parent_.path() / "trained").string();
  ASSERT_EQ(run_tool(small_training(folder, 1)).status, 0);
  ASSERT_EQ(report({folder}).status, 0);
  EXPECT_FALSE(document()["runs"][0].contains("figures"));
  ASSERT_EQ(report({folder}, "stored").status, 0);
  EXPECT_FALSE(document()["runs"][0]["figures"].contains("confusion"));
  EXPECT_TRUE(document()["runs"][0]["figures"].contains("filters"));
  const ToolResult first = report({folder}, "all");
  EXPECT_THAT(first.output, HasSubstr(folder + ": its best weights are evaluated on "));
  const nlohmann::json figures = document()["runs"][0]["figures"];
  EXPECT_EQ(figures["confusion"]["classes"], document()["runs"][0]["classes"]);
  EXPECT_GT(figures["contact_sheet"]["samples"].size(), 0U);
  const ToolResult again = report({folder}, "stored");
  EXPECT_THAT(again.output, Not(HasSubstr("are evaluated")));
  EXPECT_EQ(document()["runs"][0]["figures"]["confusion"], figures["confusion"]);
}

TEST_F(ToolReport, TakesAllRunsBelowAFolder) {
  run("sweep/a");
  run("sweep/more/b");
  ASSERT_EQ(report({(parent_.path() / "sweep").string()}).status, 0);
  const nlohmann::json runs = document()["runs"];
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[1]["name"], "b");
  const ToolResult twice = report({(parent_.path() / "sweep").string(), (parent_.path() / "sweep/a").string()});
  EXPECT_EQ(twice.status, 2);
}

TEST_F(ToolReport, EvaluatesNoneOfManyRunsUnlessTold) {
  const std::string trained = (parent_.path() / "trained").string();
  ASSERT_EQ(run_tool(small_training(trained, 1)).status, 0);
  const std::vector<std::string> four{trained, run("a"), run("b"), run("c")};
  EXPECT_THAT(report(four, "automatic").output, Not(HasSubstr("are evaluated")));
  EXPECT_THAT(report(four, "all").output, HasSubstr(trained + ": its best weights are evaluated on "));
}

TEST_F(ToolReport, RefusesWhatItCanNotDoBeforeItReadsAnything) {
  const std::string folder = run("a");
  EXPECT_EQ(run_tool({"report"}).status, 2);
  const ToolResult twice = report({folder, folder + "/."});
  EXPECT_EQ(twice.status, 2);
  EXPECT_THAT(twice.errors, HasSubstr("is given twice"));
  const ToolResult nowhere = run_tool({"report", folder, "--out", (parent_.path() / "none/page.html").string()});
  EXPECT_EQ(nowhere.status, 1);
  EXPECT_THAT(nowhere.errors, HasSubstr("none"));
  EXPECT_THAT(report({(parent_.path() / "none").string()}).errors, HasSubstr("no such folder"));
  const ToolResult elsewhere = run_tool({"report", folder, "--data", (parent_.path() / "none").string()});
  EXPECT_EQ(elsewhere.status, 1);
  EXPECT_THAT(elsewhere.errors, HasSubstr("--data " + (parent_.path() / "none").string() + ": not there"));
}

}  // namespace
}  // namespace convmixer

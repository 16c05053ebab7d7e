#include "convmixer/core/file.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing::Contains;
using testing::StartsWith;

TEST(ToolItt, MarksTheSpansOfATraceAsTasksForACollector) {
  const testing_support::TemporaryFolder folder;
  const auto log = folder.path() / "log";
  const ToolResult result =
      run_tool(small_training(folder.path() / "run", 1), {{"INTEL_LIBITTNOTIFY64", CONVMIXER_ITT_COLLECTOR},
                                                          {"INTEL_ITTNOTIFY_GROUPS", "all"},
                                                          {"CONVMIXER_TEST_ITT_LOG", log.string()}});
  ASSERT_EQ(result.status, 0) << result.errors;

  std::map<std::string, std::string> names;               // by thread
  std::map<std::string, std::vector<std::string>> tasks;  // paths of the tasks that were open, by thread
  std::map<std::string, std::vector<std::string>> open;
  std::istringstream lines(read_text_file(log));
  for (std::string thread, what; lines >> thread >> what;) {
    std::string text;
    std::getline(lines, text);
    text.erase(0, 1);
    if (what == "name") names[thread] = text;
    if (what == "begin") {
      tasks[thread].push_back(open[thread].empty() ? text : open[thread].back() + " > " + text);
      open[thread].push_back(tasks[thread].back());
    }
    if (what == "end") {
      ASSERT_FALSE(open[thread].empty());
      open[thread].pop_back();
    }
  }
  for (const auto& [thread, left] : open) EXPECT_TRUE(left.empty()) << left.back();
  bool trained = false;
  bool prepared = false;
  for (const auto& [thread, paths] : tasks) {
    if (names[thread] == "training") {
      trained = true;
      EXPECT_EQ(std::ranges::count(paths, "training step"), 16);
      EXPECT_THAT(paths, Contains("training step > forward > blocks.0.0.fn.0 depthwise convolution forward"));
      EXPECT_THAT(paths, Contains("training step > optimiser"));
    } else {
      prepared = true;
      EXPECT_THAT(names[thread], StartsWith("worker "));
      EXPECT_THAT(paths, Contains("prepare batch"));
    }
  }
  EXPECT_TRUE(trained);
  EXPECT_TRUE(prepared);
}

TEST(ToolItt, RunsWithoutACollector) {
  const testing_support::TemporaryFolder folder;
  EXPECT_EQ(run_tool(small_training(folder.path() / "run", 1)).status, 0);
}

}  // namespace
}  // namespace convmixer

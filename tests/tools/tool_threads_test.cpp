// Numbers of threads that come from outside.
#include "convmixer/plan/engine.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::TemporaryFolder;

/// Of a plain plan, for two threads.
ToolResult plain_training(const std::map<std::string, std::string>& environment) {
  const TemporaryFolder folder;
  std::vector<std::string> words =
      small_training(folder.path() / "run", 1) + std::vector<std::string>{"--plan", "plain"};
  *(std::ranges::find(words, "--threads") + 1) = "2";
  return run_tool(words, environment);
}

TEST(ToolThreads, TrainWhereOpenmpStartsFewerThanPlanned) {
  if (Engine::onednn_info().runtime != "OpenMP") GTEST_SKIP() << "this oneDNN doesn't run on OpenMP";
  const ToolResult limited = plain_training({{"OMP_THREAD_LIMIT", "1"}});
  EXPECT_EQ(limited.status, 0) << limited.errors;
  EXPECT_THAT(limited.output, HasSubstr(", 1 of 2 threads: OMP_THREAD_LIMIT=1\n"));
  EXPECT_THAT(limited.output, HasSubstr("finished 1 epoch "));
  for (const auto& [name, value] : {std::pair("OMP_MAX_ACTIVE_LEVELS", "0"), std::pair("OMP_DYNAMIC", "true")}) {
    const ToolResult result = plain_training({{name, value}});
    EXPECT_EQ(result.status, 0) << name << result.errors;
    EXPECT_THAT(result.output, HasSubstr("finished 1 epoch ")) << name;
  }
}

TEST(ToolThreads, OfAnImpossibleNumberAreRefusedOrIgnored) {
  const ToolResult refused = run_tool({"info", "--threads", "1000000"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.errors, HasSubstr("threads = 1000000: expected 1 to "));
  for (const char* number : {"66000", "2147483647", "99999999999999999999"}) {
    const ToolResult ignored =
        run_tool({"info", "--dim", "16", "--depth", "1", "--batch-size", "2"}, {{"OMP_NUM_THREADS", number}});
    EXPECT_EQ(ignored.status, 0) << ignored.errors;
    EXPECT_THAT(ignored.output, HasSubstr(std::string("OMP_NUM_THREADS=") + number + " is ignored: expected 1 to "));
  }
}

}  // namespace
}  // namespace convmixer

#include "convmixer/core/file.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <sstream>
#include <sys/wait.h>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// The tool under a shell, whose redirections a test wants.
class ToolStreams : public testing::Test {
 protected:
  /// `before` and `after` stand around the command. Standard error is in errors().
  int run(const std::vector<std::string>& words, const std::string& after, const std::string& before = "") const {
    const std::string command = fmt::format("cd {}; {} {} {} {}", folder_.path().string(), before, CONVMIXER_TOOL,
                                            fmt::join(words, " "), after);
    const int status = std::system(fmt::format("bash -c '{}' 2> {}", command, errors_.string()).c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  [[nodiscard]] std::string errors() const { return read_text_file(errors_); }
  [[nodiscard]] fs::path out() const { return folder_.path() / "run"; }

  testing_support::TemporaryFolder folder_;
  fs::path errors_ = folder_.path() / "errors";
};

TEST_F(ToolStreams, NeverPrintIntoFilesWhenTheyAreClosed) {
  ASSERT_EQ(run(small_training(out(), 1), "<&- >&- 2>&-"), 0);
  std::istringstream lines(read_text_file(out() / "metrics.jsonl"));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  EXPECT_EQ(count, 7);  // of the start, four of steps, of the epoch and of the end
}

TEST_F(ToolStreams, AreKnownToBeFull) {
  const std::vector<std::vector<std::string>> commands{{"--version"},
                                                       {"--help"},
                                                       {"info"},
                                                       {"data", "--train-images", "32", "--test-images", "32"},
                                                       small_training(out(), 1)};
  for (const std::vector<std::string>& words : commands) {
    EXPECT_EQ(run(words, "> /dev/full"), 1) << words.front();
    EXPECT_EQ(errors(),
              "convmixer: error: standard output can't be written: No space left on device; all else is done\n");
  }
  // No reason to end a training early.
  ASSERT_TRUE(fs::exists(out() / "best.safetensors"));
  EXPECT_EQ(run({"eval", out().string()}, "> /dev/full"), 1);
  EXPECT_EQ(run({"eval", out().string()}, "> /dev/null"), 0);
}

TEST_F(ToolStreams, MayLoseTheirReader) {
  EXPECT_EQ(run({"help", "train"}, "| true; exit ${PIPESTATUS[0]}"), 0);
  EXPECT_EQ(errors(), "");
}

TEST_F(ToolStreams, AndFilesMayBeLimitedInSize) {
  EXPECT_EQ(run(small_training(out(), 1), "> /dev/null", "ulimit -f 8;"), 1);
  EXPECT_THAT(errors(),
              HasSubstr("last.state.safetensors: can\'t be written: File too large (the limit is 8192 bytes"));
  EXPECT_EQ(run({"data", "--train-images", "32", "--test-images", "32", "--pack", "packed", "--sheet", "sheet.png",
                 "--sheet-rows", "1", "--sheet-columns", "4"},
                "> /dev/null", "ulimit -f 8;"),
            1);
  EXPECT_THAT(errors(), HasSubstr("File too large"));
  EXPECT_FALSE(fs::exists(out())) << "nothing of it could be written";
  for (const auto& entry : fs::directory_iterator(folder_.path())) EXPECT_NE(entry.path().extension(), ".part");
}

}  // namespace
}  // namespace convmixer

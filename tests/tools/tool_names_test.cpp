#include "convmixer/core/file.hpp"
#include "support/image_bytes.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// Nothing but text of lines, in UTF-8.
void expect_text(const std::string& text) {
  EXPECT_TRUE(std::ranges::none_of(text, [](char c) { return (c >= 0 && c < 0x20 && c != '\n') || c == 0x7f; }))
      << text;
  EXPECT_NO_THROW((void)nlohmann::json(text).dump());
}

/// Folders and classes with names that people don't type, but files have.
class ToolNames : public testing::TestWithParam<std::string> {
 protected:
  ToolNames() {
    for (const char* name : {"\x1b[2Jcleared", "plain"}) {
      for (int i = 0; i < 2; ++i)
        folder_.write(data() / name / (std::to_string(i) + ".png"), testing_support::plain_png(8, 8, 1, 2, 3));
    }
  }
  [[nodiscard]] static std::string name() { return GetParam(); }
  [[nodiscard]] fs::path data() const { return fs::path("photos-" + name()); }
  [[nodiscard]] fs::path path(const fs::path& file) const { return folder_.path() / file; }

  [[nodiscard]] std::vector<std::string> training() const {
    return {"train",
            "--data",
            path(data()),
            "--data-cache",
            path("cache"),
            "--out",
            path("run-" + name()),
            "--dim",
            "8",
            "--depth",
            "1",
            "--epochs",
            "1",
            "--batch-size",
            "2",
            "--pad-crop",
            "0",
            "--threads",
            "1",
            "--plan",
            "fused"};
  }
  ToolResult run(const std::vector<std::string>& words, int status) const {
    const ToolResult result = run_tool(words);
    EXPECT_EQ(result.status, status) << result.errors;
    expect_text(result.output);
    expect_text(result.errors);
    return result;
  }

  testing_support::TemporaryFolder folder_;
};

TEST_P(ToolNames, AreReadAndWrittenAndPrintedAsText) {
  EXPECT_THAT(run(training(), 0).output, HasSubstr("photos-"));
  run(training(), 0);  // finished
  const fs::path json = path("eval-" + name());
  EXPECT_THAT(run({"eval", path("run-" + name()), "--json", json}, 0).output, HasSubstr("\\x1b[2Jcleared"));
  const auto evaluation = nlohmann::json::parse(read_text_file(json));
  EXPECT_EQ(evaluation.at("classes").at(0).at("name"), "\x1b[2Jcleared");
  run({"data", "--data", path(data()), "--data-cache", path("cache"), "--pack", path("packed-" + name()), "--sheet",
       path("sheet-" + name() + ".png"), "--sheet-rows", "1", "--sheet-columns", "1"},
      0);
  run(training() + std::vector<std::string>{"--fresh"}, 0);
}

TEST_P(ToolNames, AreNamedAsTextWhereNothingIs) {
  const std::string none = path("none-" + name());
  for (const char* option : {"--config", "--data", "--resume"})
    EXPECT_THAT(run({"train", option, none}, 1).errors, HasSubstr("none-"));
  run({"eval", none}, 1);
  run({"--" + name()}, 2);
  run({"train", "--" + name(), "1"}, 2);
  run({"train", name()}, 2);
}

std::string kind_of(const testing::TestParamInfo<std::string>& instance) {
  constexpr std::array<const char*, 4> kKinds{"Escapes", "NoUtf8", "RightToLeft", "Long"};
  return kKinds.at(instance.index);
}

INSTANTIATE_TEST_SUITE_P(Names, ToolNames,
                         testing::Values("\x1b]0;title\x07", "latin \xe4\xff", "turned \xe2\x80\xae",
                                         std::string(240, 'a')),
                         kind_of);

TEST(ToolPaths, ThatAreTooLongAreRefusedInWords) {
  const testing_support::TemporaryFolder folder;
  for (const std::size_t length : {std::size_t{300}, std::size_t{5000}}) {
    const std::string path = (folder.path() / std::string(length, 'a')).string();
    const std::vector<std::string> few{"--train-images", "16", "--test-images", "16"};
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"train", "--out", path},
                                               {"train", "--data", path},
                                               {"train", "--config", path},
                                               {"train", "--resume", path},
                                               {"train", "--profile", path, "--out", folder.path() / "run"},
                                               {"eval", path},
                                               {"info", "--config", path},
                                               {"data", "--pack", path},
                                               {"data", "--sheet", path + ".png"}}) {
      const bool takes_few = words.front() != "eval" && words.front() != "info";
      const ToolResult result = run_tool(takes_few ? words + few : words);
      EXPECT_EQ(result.status, 1) << words.front() << " " << words[1];
      EXPECT_THAT(result.errors, HasSubstr("File name too long")) << words.front() << " " << words[1];
      EXPECT_EQ(result.errors.find("filesystem error"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace convmixer

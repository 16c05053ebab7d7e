#include "convmixer/core/file.hpp"
#include "support/image_bytes.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing_support::plain_png;

/// A run of one epoch on folders of apples, leaves and seas, used again after what people do to their files.
class ToolReuse : public testing::Test {
 protected:
  ToolReuse() {
    for (int i = 0; i < 20; ++i) {
      const auto shade = static_cast<std::uint8_t>(10 * i);
      write("apple", i, 200, shade, 10);
      write("leaf", i, shade, 200, 10);
      write("sea", i, 10, shade, 200);
    }
    EXPECT_EQ(run(training()).status, 0);
  }

  void write(const std::string& name, int number, std::uint8_t red, std::uint8_t green, std::uint8_t blue) const {
    folder_.write("images/" + name + "/" + std::to_string(number) + ".png", plain_png(8, 8, red, green, blue));
  }
  [[nodiscard]] fs::path images() const { return folder_.path() / "images"; }
  [[nodiscard]] fs::path run_folder() const { return folder_.path() / "run"; }
  [[nodiscard]] std::vector<std::string> training() const {
    return {"train",
            "--data",
            images(),
            "--data-cache",
            folder_.path() / "cache",
            "--out",
            run_folder(),
            "--dim",
            "16",
            "--depth",
            "1",
            "--epochs",
            "1",
            "--kernel-size",
            "3",
            "--patch-size",
            "4",
            "--batch-size",
            "16",
            "--threads",
            "1",
            "--precision",
            "f32"};
  }
  static ToolResult run(const std::vector<std::string>& words) { return run_tool(words); }
  [[nodiscard]] ToolResult evaluated() const { return run({"eval", run_folder(), "--threads", "1"}); }
  [[nodiscard]] ToolResult resumed() const { return run({"train", "--resume", run_folder()}); }

  testing_support::TemporaryFolder folder_;
};

TEST_F(ToolReuse, OfAClassUnderAnotherNameIsRefused) {
  fs::rename(images() / "apple", images() / "red");
  for (const ToolResult& result : {evaluated(), resumed(), run(training())}) {
    EXPECT_EQ(result.status, 2);
    EXPECT_THAT(result.errors,
                AllOf(HasSubstr("the data's classes are leaf, red, sea, expected apple, leaf, sea: 'red' is none of")));
  }
  fs::rename(images() / "red", images() / "apple");
  EXPECT_THAT(evaluated().output, Not(HasSubstr("note:")));
  EXPECT_EQ(resumed().status, 0);
}

TEST_F(ToolReuse, OfAPartOfTheClassesGoesByTheirNames) {
  fs::remove_all(images() / "apple");
  const ToolResult result = evaluated();
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(result.output, AllOf(HasSubstr("the data has leaf, sea, the weights know apple, leaf, sea"),
                                   HasSubstr("4 test images instead of 6 (apple: 0 instead of 2)"),
                                   ContainsRegex("apple +0 +0 "), ContainsRegex("leaf +2 ")));
}

TEST_F(ToolReuse, OfFewerImagesSaysSo) {
  for (int i = 0; i < 10; ++i) fs::remove(images() / "sea" / (std::to_string(i) + ".png"));
  EXPECT_THAT(evaluated().output,
              AllOf(HasSubstr("note: the data isn't that of the training: 5 test images instead of 6 "
                              "(sea: 1 instead of 2)"),
                    HasSubstr("note: images are normalised by the run's mean")));
  for (const ToolResult& result : {resumed(), run(training())}) {
    EXPECT_EQ(result.status, 2);
    EXPECT_THAT(result.errors, AllOf(HasSubstr("45 training images instead of 54"), HasSubstr("--allow-changed-data")));
  }
  fs::remove(run_folder() / "data.json");  // which nothing but the reader of a run needs
  const ToolResult allowed = run(training() + std::vector<std::string>{"--allow-changed-data"});
  EXPECT_EQ(allowed.status, 0) << allowed.errors;
  EXPECT_THAT(allowed.output,
              HasSubstr("note: the data has changed since " + run_folder().string() + " was saved: 45"));
}

TEST_F(ToolReuse, OfDataThatIsElsewhereNamesTheWayOut) {
  fs::rename(images(), folder_.path() / "moved");
  for (const ToolResult& result : {evaluated(), resumed()}) {
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.errors, AllOf(HasSubstr(images().string()), HasSubstr("say where it is now with --data")));
  }
  EXPECT_EQ(run({"eval", run_folder(), "--data", folder_.path() / "moved"}).status, 0);
  EXPECT_EQ(run({"train", "--resume", run_folder(), "--data", folder_.path() / "moved"}).status, 0);
}

TEST_F(ToolReuse, WithoutTheBestWeightsNamesTheLast) {
  const fs::path best = run_folder() / "best.safetensors";
  write_file_atomically(best, "");
  EXPECT_THAT(evaluated().errors, AllOf(HasSubstr("0 bytes long"), HasSubstr("--checkpoint last takes")));
  fs::remove(best);
  const ToolResult result = evaluated();
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.errors, HasSubstr("not there: it was removed; --checkpoint last takes " +
                                       (run_folder() / "last.safetensors").string()));
  fs::remove(run_folder() / "last.safetensors");
  EXPECT_THAT(evaluated().errors,
              HasSubstr("nor is last.safetensors: a run writes its weights at the end of an epoch"));
}

}  // namespace
}  // namespace convmixer

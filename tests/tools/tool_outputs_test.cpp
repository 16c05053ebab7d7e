// Files that commands are asked to write: nothing that was trained, and nothing that is read, is replaced by a slip.
#include "convmixer/core/file.hpp"
#include "support/image_bytes.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::HasSubstr;
using Words = std::vector<std::string>;

class ToolOutputs : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<testing_support::TemporaryFolder>();
    const ToolResult result = run_tool(small_training(run(), 1) + Words{"--quiet"});
    ASSERT_EQ(result.status, 0) << result.errors;
    for (const char* split : {"train", "test"}) {
      for (const char* name : {"red/1.png", "blue/1.png"})
        shared_->write(std::string("pictures/") + split + "/" + name,
                       testing_support::plain_png(8, 8, name[0] == 'r' ? 200 : 10, 10, 20));
    }
  }
  static void TearDownTestSuite() { shared_.reset(); }

  static fs::path run() { return shared_->path() / "run"; }
  static fs::path pictures() { return shared_->path() / "pictures"; }
  [[nodiscard]] std::string out(const std::string& name) const { return (own_.path() / name).string(); }

  /// What a command says of a file that stays as it is.
  static std::string refusal(const fs::path& kept, const Words& words) {
    const std::string before = read_text_file(kept);
    const ToolResult result = run_tool(words);
    EXPECT_EQ(result.status, 2) << result.output << result.errors;
    EXPECT_EQ(read_text_file(kept), before);
    return result.errors;
  }

  testing_support::TemporaryFolder own_;

 private:
  static inline std::unique_ptr<testing_support::TemporaryFolder> shared_;
};

TEST_F(ToolOutputs, AreNoFilesOfARun) {
  const std::string weights = run() / "best.safetensors";
  const fs::path image = pictures() / "test/red/1.png";
  for (const char* name : {"config.ini", "metrics.jsonl", "data.json", "best.safetensors", "last.safetensors",
                           "last.state.safetensors", ".lock"}) {
    SCOPED_TRACE(name);
    const fs::path file = run() / name;
    const std::string expected = file.string() + ": that is a file of the run in " + fs::canonical(run()).string();
    for (const Words& words : {Words{"report", run(), "--out", file},
                               {"compare", run(), run(), "--json", file},
                               {"runs", run(), "--json", file},
                               {"eval", weights, "--dataset", "shapes", "--json", file},
                               {"predict", weights, image, "--csv", file},
                               {"export", weights, "--out", file, "--format", "onnx"},
                               {"data", "--pack", file},
                               {"seeds", "--out", out("seeds"), "--json", file},
                               small_training(out("other")) + Words{"--profile", file}}) {
      const std::string message = refusal(file, words);
      // One that is read as well may be refused as that.
      if (words[0] != "runs" && message.find("that is what is read") != std::string::npos) continue;
      EXPECT_THAT(message, HasSubstr(expected)) << words[0];
    }
  }
}

TEST_F(ToolOutputs, ReplaceWhatTheyWroteBefore) {
  const fs::path page = run() / "page.html";
  for (int i = 0; i < 2; ++i) EXPECT_EQ(run_tool({"report", run(), "--figures", "none", "--out", page}).status, 0);
  const fs::path exported = run() / "exported.safetensors";
  for (int i = 0; i < 2; ++i) EXPECT_EQ(run_tool({"export", run(), "--out", exported}).status, 0);
  own_.write("metrics.jsonl", "of no run");
  EXPECT_EQ(run_tool({"compare", run(), run(), "--json", out("metrics.jsonl")}).status, 0);
  EXPECT_THAT(read_text_file(out("metrics.jsonl")), HasSubstr("{"));
}

TEST_F(ToolOutputs, AreNoFilesThatTheRunWillHave) {
  const ToolResult result = run_tool(small_training(out("new")) + Words{"--profile", out("new/metrics.jsonl")});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.errors, HasSubstr("metrics.jsonl: that is a file of the run in"));
  EXPECT_FALSE(fs::exists(out("new")));
}

TEST_F(ToolOutputs, AreNoImagesThatAreRead) {
  const fs::path image = pictures() / "train/red/1.png";
  const Words data{"data", "--data", pictures(), "--data-cache", out("cache")};
  EXPECT_THAT(refusal(image, data + Words{"--sheet", image}), HasSubstr("that is a file in " + pictures().string()));
  EXPECT_THAT(refusal(image, data + Words{"--pack", image}), HasSubstr("which is read"));
  EXPECT_THAT(refusal(image, {"predict", run(), image.parent_path(), "--csv", image}), HasSubstr("which is read"));
  const fs::path packed = out("packed.safetensors");
  EXPECT_EQ(run_tool({"data", "--test-images", "10", "--train-images", "10", "--pack", packed}).status, 0);
  EXPECT_THAT(refusal(packed, {"data", "--data", packed, "--pack", packed}), HasSubstr("that is what is read"));
  fs::create_symlink(packed, out("link.safetensors"));
  EXPECT_THAT(refusal(packed, {"data", "--data", packed, "--pack", out("link.safetensors")}),
              HasSubstr("that is what is read"));
  const fs::path settings = own_.write("my.ini", "dim = 8\n");
  EXPECT_THAT(refusal(settings, {"data", "--config", settings, "--pack", settings}), HasSubstr("that is what is read"));
  const fs::path sheet = pictures() / "sheet.png";
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(run_tool(data + Words{"--sheet", sheet, "--sheet-rows", "1", "--sheet-columns", "1"}).status, 0);
}

TEST_F(ToolOutputs, AreNoWeightsThatARunLinksTo) {
  const fs::path linked = out("linked");
  fs::copy(run(), linked);
  fs::rename(linked / "best.safetensors", out("elsewhere.st"));
  fs::create_symlink(out("elsewhere.st"), linked / "best.safetensors");
  const fs::path weights = out("elsewhere.st");
  for (const fs::path& file : {linked / "best.safetensors", weights}) {
    const std::string message = refusal(weights, {"export", linked, "--out", file, "--format", "pytorch"});
    EXPECT_THAT(message, AnyOf(HasSubstr("that is a file of the run in"), HasSubstr("that is what is read")));
  }
  EXPECT_THAT(refusal(weights, {"report", linked, "--out", linked / "best.safetensors"}), HasSubstr("of the run in"));
}

TEST_F(ToolOutputs, AreNoOtherFilesThatAreRead) {
  const fs::path settings = own_.write("my.ini", "dim = 8\n");
  EXPECT_THAT(refusal(settings, small_training(out("run")) + Words{"--config", settings, "--profile", settings}),
              HasSubstr("that is what is read"));
  const fs::path names = own_.write("names.csv", "a\nb\n");
  EXPECT_THAT(refusal(names, {"predict", run(), pictures() / "test/red/1.png", "--class-names", names, "--csv", names}),
              HasSubstr("that is what is read"));
  const fs::path batch = own_.write("cifar/data_batch_1.bin", "");
  EXPECT_THAT(refusal(batch, {"data", "--data", batch.parent_path(), "--pack", batch}), HasSubstr("which is read"));
}

TEST_F(ToolOutputs, InFoldersThatAreReadMayBeWrittenAgain) {
  fs::create_directories(run() / "export");
  fs::create_directories(pictures() / "results");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(run_tool({"export", run(), "--out", run() / "export/a.onnx"}).errors, "");
    EXPECT_EQ(run_tool({"predict", run(), pictures() / "test", "--csv", pictures() / "results/a.csv"}).status, 0);
  }
}

TEST_F(ToolOutputs, AppendToNothing) {
  const fs::path log = own_.write("log.txt", "what was there\n");
  const std::string command = std::string(CONVMIXER_TOOL) + " compare " + run().string() + " " + run().string() +
                              " --json /dev/stdout >> " + log.string() + " 2>/dev/null";
  EXPECT_NE(std::system(command.c_str()), 0);
  EXPECT_EQ(read_text_file(log), "what was there\n");
}

TEST_F(ToolOutputs, AreNoDashWhereTheStandardOutputHasSomethingElse) {
  for (const Words& words : {Words{"eval", run(), "--json", "-"}, Words{"eval", run(), "--confusion-csv", "-"},
                             Words{"seeds", "--out", out("seeds"), "--json", "-"}, Words{"report", run(), "--out", "-"},
                             Words{"data", "--pack", "-"}, small_training(out("run")) + Words{"--profile", "-"}}) {
    const ToolResult result = run_tool(words);
    EXPECT_EQ(result.status, 2) << words[0];
    EXPECT_THAT(result.errors, HasSubstr(" -: expected a file; ./- is one of that name\n"));
  }
  EXPECT_FALSE(fs::exists("-"));
}

TEST_F(ToolOutputs, OfPicturesEndInPng) {
  EXPECT_EQ(run_tool({"data", "--sheet", out("a.jpg")}).errors,
            "convmixer: error: --sheet " + out("a.jpg") + ": expected a name that ends in .png\n");
  EXPECT_THAT(run_tool({"eval", run(), "--confusion-png", out("a")}).errors, HasSubstr("expected a name that ends in"));
  EXPECT_FALSE(fs::exists(out("a.jpg")));
}

TEST_F(ToolOutputs, AreNeededByTheOptionsForThem) {
  EXPECT_EQ(run_tool({"data", "--sheet-rows", "3"}).errors, "convmixer: error: --sheet-rows: needs --sheet FILE.png\n");
  EXPECT_EQ(run_tool({"eval", run(), "--top", "3"}).errors, "convmixer: error: --top: needs --predictions FILE.csv\n");
  EXPECT_EQ(run_tool({"predict", run(), "a.png", "--logits"}).errors,
            "convmixer: error: --logits: needs --json FILE\n");
  EXPECT_EQ(run_tool({"predict", run(), "a.png", "--null"}).errors,
            "convmixer: error: --null: needs -, for paths on standard input\n");
  EXPECT_EQ(run_tool({"info", "--estimate-seconds", "1"}).errors,
            "convmixer: error: --estimate-seconds: needs --estimate\n");
}

}  // namespace
}  // namespace convmixer

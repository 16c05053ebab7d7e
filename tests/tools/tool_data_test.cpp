#include "convmixer/core/file.hpp"
#include "data/decode/image_file.hpp"
#include "support/image_bytes.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace convmixer {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using namespace testing_support;

/// A folder of two classes, three training images of 8 x 8 each, and one for the test.
class ToolData : public testing::Test {
 protected:
  ToolData() {
    for (int i = 0; i < 3; ++i) {
      folder_.write("pictures/train/red/" + std::to_string(i) + ".png", plain_png(8, 8, color(200, i), 10, 20));
      folder_.write("pictures/train/blue/" + std::to_string(i) + ".png", plain_png(8, 8, 10, 20, color(200, i)));
    }
    folder_.write("pictures/test/red/a.png", plain_png(8, 8, 200, 10, 20));
  }
  static std::uint8_t color(int base, int step) { return static_cast<std::uint8_t>(base + step); }

  [[nodiscard]] std::vector<std::string> command(const std::vector<std::string>& more) const {
    return std::vector<std::string>{"data",      "--data", path("pictures"), "--data-cache", path("cache"),
                                    "--threads", "1"} +
           more;
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  /// An epoch of a tiny network on images of 8 x 8 pixels.
  [[nodiscard]] ToolResult train_a_little(const std::string& data, const std::string& cache, const std::string& out,
                                          const std::string& batch_size) const {
    return run_tool(std::vector<std::string>{"train", "--data", path(data), "--data-cache", path(cache)} +
                    std::vector<std::string>{"--out", path(out), "--dim", "8", "--depth", "1", "--epochs", "1"} +
                    std::vector<std::string>{"--batch-size", batch_size, "--pad-crop", "0", "--threads", "1"} +
                    std::vector<std::string>{"--eval-batch-size", "1"});
  }

  TemporaryFolder folder_;
};

TEST_F(ToolData, SaysWhatIsInADataSet) {
  const ToolResult result = run_tool(command({}));
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(result.output, HasSubstr("decoding the 7 images of"));
  EXPECT_THAT(result.output, HasSubstr("6 for training, 1 for the test; 8 x 8 pixels, 3 colours, 2 classes"));
  EXPECT_THAT(result.output, ContainsRegex("blue +3 +0\n"));
  EXPECT_THAT(result.output, ContainsRegex("red +3 +1\n"));
  EXPECT_THAT(result.output, HasSubstr("1 test image is a training image too"));
  EXPECT_THAT(run_tool(command({})).output, testing::Not(HasSubstr("decoding")));
}

TEST_F(ToolData, PacksADataSetIntoAFileThatTrains) {
  ASSERT_EQ(run_tool(command({"--pack", path("packed")})).status, 0);
  const ToolResult result = run_tool({"data", "--data", path("packed")});
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(result.output, AllOf(HasSubstr("packed: "), ContainsRegex("red +3 +1\n")));
  const ToolResult training =
      run_tool({"train", "--data", path("packed"), "--out", path("run"), "--dim", "8", "--depth", "1", "--epochs", "1",
                "--batch-size", "3", "--pad-crop", "0", "--threads", "1", "--eval-batch-size", "1"});
  EXPECT_EQ(training.status, 0) << training.errors;
  const ToolResult evaluation = run_tool({"eval", path("run"), "--threads", "1"});
  EXPECT_THAT(evaluation.output, AllOf(HasSubstr("blue"), HasSubstr("red")));
}

TEST_F(ToolData, SaysOfAPackedFileWhatWasLeftOutOfIt) {
  folder_.write("pictures/train/red/3.png", "no image");
  const ToolResult packing = run_tool(command({"--broken-files", "skip", "--pack", path("packed")}));
  EXPECT_EQ(packing.status, 0) << packing.errors;
  EXPECT_THAT(packing.output, HasSubstr("/packed, which says as well what was left out\n"));
  const ToolResult result = run_tool({"data", "--data", path("packed")});
  EXPECT_THAT(result.output, AllOf(HasSubstr("left out 1 broken file of "), HasSubstr("red/3.png: no PNG, JPEG or PPM"),
                                   ContainsRegex("\n  left out +1 broken file\n")));
}

TEST_F(ToolData, DecodesNothingAgainForARunWithoutAnImageSize) {
  const std::vector<std::string> run{
      "--out",        path("run"), "--dim",      "8", "--depth",           "1", "--epochs", "1",
      "--batch-size", "3",         "--pad-crop", "0", "--eval-batch-size", "1"};
  std::vector<std::string> train = command(run);
  train.front() = "train";
  EXPECT_THAT(run_tool(train).output, HasSubstr("decoding the 7 images of"));
  const ToolResult evaluation = run_tool({"eval", path("run"), "--threads", "1"});
  EXPECT_EQ(evaluation.status, 0) << evaluation.errors;
  EXPECT_THAT(evaluation.output, testing::Not(HasSubstr("decoding")));
}

/// The sheet that the tool draws with these options.
DecodedImage sheet_of(const std::vector<std::string>& words, const std::string& path) {
  const ToolResult result = run_tool(words + std::vector<std::string>{"--sheet", path});
  EXPECT_EQ(result.status, 0) << result.errors;
  return decode_image(MappedFile(path).bytes());
}

TEST_F(ToolData, DrawsTheSamplesOfAnEpochWithTheirLabels) {
  const auto words = command({"--sheet-rows", "2", "--sheet-columns", "3", "--pad-crop", "0"});
  const DecodedImage sheet = sheet_of(words, path("sheet.png"));
  // 8 x 8 enlarged 16 times, in columns 16 pixels apart, in from the border by 8; rows from the bottom up, as the title
  // takes what it needs.
  EXPECT_EQ(sheet.width, 3 * 144);
  const auto red = [&](int x, int y) { return sheet.pixels[static_cast<std::size_t>(y * sheet.width + x)]; };
  constexpr int kRow = 128 + 4 + 18 + 8;  // image, gap, label, gap
  int reds = 0;
  for (int row = 0; row < 2; ++row) {
    for (int column = 0; column < 3; ++column) {
      const int value = red(8 + column * 144 + 64, sheet.height - (2 - row) * kRow + 64);
      reds += value >= 200 ? 1 : 0;
      EXPECT_TRUE((value >= 200 && value <= 202) || value == 10) << value;
    }
  }
  EXPECT_EQ(reds, 3);
  // Something is written below the images.
  int ink = 0;
  for (int x = 0; x < sheet.width; ++x) ink += red(x, sheet.height - kRow + 128 + 4 + 6) < 100 ? 1 : 0;
  EXPECT_GT(ink, 5);
}

TEST_F(ToolData, DrawsTheSameSheetForTheSameSeedAndAnotherForAnother) {
  const auto words = command({"--sheet-rows", "1", "--sheet-columns", "6", "--randaugment", "2,12"});
  const DecodedImage first = sheet_of(words, path("1.png"));
  EXPECT_EQ(sheet_of(words, path("2.png")).pixels, first.pixels);
  EXPECT_NE(sheet_of(words + std::vector<std::string>{"--sheet-epoch", "2"}, path("3.png")).pixels, first.pixels);
}

TEST_F(ToolData, DrawsNoneThatIsHeldOut) {
  EXPECT_THAT(run_tool(command({"--holdout", "4"})).output,
              HasSubstr("6 for training (4 of them held out), 1 for the test"));
  const auto words = command({"--holdout", "4", "--sheet", path("sheet.png"), "--sheet-rows", "1"});
  EXPECT_EQ(run_tool(words + std::vector<std::string>{"--sheet-columns", "2"}).status, 0);
  EXPECT_THAT(run_tool(words + std::vector<std::string>{"--sheet-columns", "3"}).errors,
              HasSubstr("needs 3 samples, an epoch has 2"));
}

TEST_F(ToolData, DrawsOriginalsBesideMixedSamples) {
  const auto words = command({"--sheet-rows", "1", "--sheet-columns", "4", "--mixup", "0.5"});
  const DecodedImage alone = sheet_of(words, path("1.png"));
  const DecodedImage beside = sheet_of(words + std::vector<std::string>{"--sheet-originals"}, path("2.png"));
  EXPECT_EQ(beside.width - alone.width, 4 * (128 + 4));
}

TEST_F(ToolData, InfoTakesClassesAndSizeFromAFolder) {
  const ToolResult result = run_tool({"info", "--data", path("pictures"), "--data-cache", path("cache"), "--dim", "8",
                                      "--depth", "1", "--threads", "1"});
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(result.output, HasSubstr("images 8 x 8, 2 classes"));
}

TEST_F(ToolData, RefusesASheetOfMoreSamplesThanAnEpochHas) {
  const ToolResult result = run_tool(command({"--sheet", path("x.png"), "--sheet-rows", "2", "--sheet-columns", "4"}));
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.errors, HasSubstr("2 rows and 4 columns needs 8 samples, an epoch has 6"));
}

TEST_F(ToolData, SkipsBrokenFilesByChoice) {
  folder_.write("pictures/train/red/broken.png", "not a picture");
  const ToolResult refused = run_tool(command({}));
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.errors, HasSubstr("red/broken.png: no PNG, JPEG or PPM image; broken-files = skip leaves"));
  const ToolResult skipped = run_tool(command({"--broken-files", "skip"}));
  EXPECT_EQ(skipped.status, 0) << skipped.errors;
  EXPECT_THAT(skipped.output, HasSubstr("left out 1 broken file of"));
}

TEST_F(ToolData, RunsThatLieInTheDataFolderAreNoClasses) {
  for (const char* name : {"red", "blue"})
    for (int i = 0; i < 3; ++i)
      folder_.write("photos/" + std::string(name) + "/" + std::to_string(i) + ".png",
                    plain_png(8, 8, color(9, i), 1, 2));
  for (const char* run : {"photos/runs/1", "photos/runs/2", "photos/out"}) {
    const ToolResult result = train_a_little("photos", "photos/cache", run, "2");
    EXPECT_EQ(result.status, 0) << result.errors;
    EXPECT_THAT(result.output, HasSubstr("2 classes"));
  }
}

TEST_F(ToolData, EvaluatesOnTheTestFolderThatTrainingLeftAlone) {
  folder_.write("pictures/val/red/b.png", plain_png(8, 8, 200, 11, 20));
  folder_.write("pictures/val/blue/b.png", plain_png(8, 8, 10, 21, 200));
  const ToolResult result = train_a_little("pictures", "cache", "run", "3");
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(result.output,
              HasSubstr("the test images are those of val; test is left alone until --test-folder test"));
  EXPECT_THAT(run_tool({"eval", path("run"), "--threads", "1"}).output, HasSubstr("(2 images"));
  const ToolResult at_last = run_tool({"eval", path("run"), "--threads", "1", "--test-folder", "test"});
  EXPECT_THAT(at_last.output, HasSubstr("(1 image,")) << at_last.errors;
}

TEST_F(ToolData, EvaluatesARunOfAFolderOnThePackedFileOfIt) {
  ASSERT_EQ(train_a_little("pictures", "cache", "run", "2").status, 0);
  ASSERT_EQ(run_tool(command({"--pack", path("packed.safetensors")})).status, 0);
  const auto numbers = [&](const std::vector<std::string>& data) {
    const ToolResult result =
        run_tool(std::vector<std::string>{"eval", path("run"), "--json", path("numbers.json")} + data);
    EXPECT_EQ(result.status, 0) << result.errors;
    nlohmann::json found = nlohmann::json::parse(read_text_file(path("numbers.json")));
    found.erase("seconds");
    found.erase("dataset");
    return found;
  };
  EXPECT_EQ(numbers({"--data", path("packed.safetensors")}), numbers({"--data-cache", path("cache")}));
  const ToolResult report =
      run_tool({"report", path("run"), "--data", path("packed.safetensors"), "--out", path("page.html")});
  EXPECT_EQ(report.status, 0) << report.errors;
  EXPECT_THAT(report.output + report.errors, Not(HasSubstr("packed.safetensors:")));
  const ToolResult other = run_tool({"eval", path("run"), "--dataset", "folder", "--data", path("packed.safetensors")});
  EXPECT_EQ(other.status, 1) << other.output;
}

TEST_F(ToolData, KeepsNoEvaluationOfOtherImages) {
  ASSERT_EQ(train_a_little("pictures", "cache", "run", "2").status, 0);
  std::filesystem::copy(path("pictures"), path("others"), std::filesystem::copy_options::recursive);
  folder_.write("others/test/red/a.png", plain_png(8, 8, 10, 200, 20));
  const auto report = [&](const std::string& data) {
    return run_tool({"report", path("run"), "--data", path(data), "--out", path("page.html")});
  };
  const ToolResult other = report("others");
  EXPECT_EQ(other.status, 0) << other.errors;
  EXPECT_THAT(other.output + other.errors, HasSubstr("the evaluation isn't kept: the data isn't that of the training"));
  EXPECT_FALSE(std::filesystem::exists(path("run/best.evaluation.json")));
  EXPECT_EQ(report("pictures").status, 0);
  EXPECT_TRUE(std::filesystem::exists(path("run/best.evaluation.json")));
}

TEST_F(ToolData, AsksForDataWhereAWordStands) {
  const ToolResult result = run_tool({"data", path("pictures")});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.errors, HasSubstr("did you mean --data " + path("pictures") + "?"));
}

}  // namespace
}  // namespace convmixer

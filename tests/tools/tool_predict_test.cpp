#include "convmixer/checkpoint/checkpoint.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/data/open_dataset.hpp"
#include "convmixer/model/registry.hpp"
#include "convmixer/train/evaluate.hpp"
#include "support/image_bytes.hpp"
#include "support/temporary_folder.hpp"
#include "support/test_engine.hpp"
#include "tools/tool_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sstream>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::StartsWith;
using namespace testing_support;

/// A run on a folder of class folders, which all tests use; images aren't square and of different sizes.
class ToolPredict : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    parent_ = new TemporaryFolder;
    for (const char* split : {"train", "val"}) {
      for (int i = 0; i < 24; ++i) {
        const int width = 17 + i % 5;
        const std::string name = std::to_string(i) + ".png";
        parent_->write(fs::path("photos") / split / "dark, blue" / name, noisy_png(width, 23, 40, i));
        parent_->write(fs::path("photos") / split / "light" / name, noisy_png(width, 15, 200, i));
      }
    }
    const ToolResult trained =
        run_tool(small_training(run(), 1) + std::vector<std::string>{"--data", parent_->path() / "photos",
                                                                     "--data-cache", parent_->path() / "cache",
                                                                     "--image-size", "16", "--fit", "stretch"});
    ASSERT_EQ(trained.status, 0) << trained.errors;
  }
  static void TearDownTestSuite() {
    delete parent_;
    parent_ = nullptr;
  }

  static std::string noisy_png(int width, int height, int brightness, int seed) {
    std::vector<std::uint8_t> rgb;
    for (int i = 0; i < width * height * 3; ++i)
      rgb.push_back(static_cast<std::uint8_t>(brightness + (i * 37 + seed * 101) % 50));
    return rgb_png(width, height, rgb);
  }
  static std::string run() { return parent_->path() / "run"; }
  static std::string photos() { return parent_->path() / "photos" / "val"; }
  static std::string photo() { return parent_->path() / "photos" / "val" / "light" / "3.png"; }

  static ToolResult predict(const std::vector<std::string>& words) {
    return run_tool(std::vector<std::string>{"predict"} + words);
  }
  static nlohmann::json predicted(const std::vector<std::string>& words) {
    const ToolResult result = predict(words + std::vector<std::string>{"--json", "-", "--logits"});
    EXPECT_EQ(result.status, 0) << result.errors;
    return nlohmann::json::parse(result.output);
  }
  static std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> all;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) all.push_back(line);
    return all;
  }

  TemporaryFolder folder_;
  static TemporaryFolder* parent_;
};

TemporaryFolder* ToolPredict::parent_ = nullptr;

/// The logits of the run's network for its test images, as an evaluation computes them.
std::vector<float> evaluated_logits(const fs::path& run, const fs::path& data, std::int64_t batch_size) {
  const CheckpointInfo info = read_checkpoint_info(run / "best.safetensors");
  const auto images = open_dataset({.name = "folder",
                                    .path = data,
                                    .image_size = 16,
                                    .fit = Fit::stretch,
                                    .cache = run.parent_path() / "cache",
                                    .threads = 1},
                                   Split::test);
  Network network(make_graph(info.model), Precision::f32, test_engine());
  load_weights(run / "best.safetensors", network.parameters());
  ThreadPool pool(1);
  Loader loader(*images, {.batch_size = batch_size, .normalisation = {info.mean, info.std}}, pool);
  loader.start(0);
  std::vector<float> all;
  while (const Batch* batch = loader.next()) {
    network.evaluate_batch(batch->images, {.labels = batch->labels, .soft = {}});
    all.insert(all.end(), network.logits().begin(), network.logits().end());
  }
  return all;
}

TEST_F(ToolPredict, GivesTheLogitsOfAnEvaluationToTheBit) {
  const nlohmann::json result = predicted({run(), photos(), "--batch-size", "20"});
  std::vector<float> logits;
  for (const auto& image : result["images"])
    for (const auto& logit : image["logits"]) logits.push_back(logit.get<float>());
  EXPECT_EQ(logits, evaluated_logits(run(), parent_->path() / "photos", 20));
}

TEST_F(ToolPredict, SaysOfEveryFileWhatEvalCounts) {
  const nlohmann::json result = predicted({run(), photos()});
  ASSERT_EQ(result["images"].size(), 48U);
  EXPECT_EQ(result["class_names"], nlohmann::json({"dark, blue", "light"}));
  int correct = 0;
  for (const auto& image : result["images"]) {
    const std::string label = fs::path(image["path"].get<std::string>()).parent_path().filename();
    correct += image["predictions"][0]["class"] == label ? 1 : 0;
    EXPECT_NEAR(
        image["predictions"][0]["probability"].get<double>() + image["predictions"][1]["probability"].get<double>(),
        1.0, 1e-12);
  }
  const fs::path evaluation = folder_.path() / "eval.json";
  ASSERT_EQ(run_tool({"eval", run(), "--json", evaluation}).status, 0);
  EXPECT_EQ(nlohmann::json::parse(read_text_file(evaluation))["accuracy"], correct / 48.0);
}

TEST_F(ToolPredict, SaysTheSameOfAnImageAlone) {
  const nlohmann::json all = predicted({run(), photos()});
  const nlohmann::json one = predicted({run(), photo()});
  ASSERT_EQ(one["images"].size(), 1U);
  const auto found = std::ranges::find_if(all["images"], [](const auto& image) { return image["path"] == photo(); });
  ASSERT_NE(found, all["images"].end());
  EXPECT_EQ(one["images"][0]["predictions"][0]["label"], (*found)["predictions"][0]["label"]);
}

TEST_F(ToolPredict, PrintsALineForEachImageInTheirOrderAndNothingElseOnStandardOutput) {
  const std::string other = parent_->path() / "photos/val/dark, blue/0.png";
  const ToolResult result = predict({run() + "/last.safetensors", photo(), other, "--top", "1"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(lines(result.output), ElementsAre(MatchesRegex(photo() + ": (light|dark, blue) [0-9.]+%"),
                                                MatchesRegex(other + ": (light|dark, blue) [0-9.]+%")));
  EXPECT_THAT(result.errors, MatchesRegex("2 images in .*, [0-9]+ images/s\n"));
  const ToolResult single = predict({run(), photo()});
  EXPECT_THAT(single.output, MatchesRegex(photo() + ": (light|dark, blue) [0-9.]+%, (light|dark, blue) [0-9.]+%\n"));
  EXPECT_EQ(single.errors, "");
}

TEST_F(ToolPredict, WritesACsvFileWhoseFieldsHoldAnyName) {
  const fs::path csv = folder_.path() / "out.csv";
  const fs::path odd = folder_.write("a \"b\",c.png", noisy_png(20, 20, 40, 1));
  ASSERT_EQ(predict({run(), odd, "--csv", csv, "--top", "2", "--class-names", "light,\"x\""}).status, 0);
  EXPECT_THAT(lines(read_text_file(csv)),
              ElementsAre("file,prediction,probability,prediction_2,probability_2",
                          MatchesRegex("\"" + folder_.path().string() +
                                       "/a \"\"b\"\",c.png\",(light|\"\"\"x\"\"\"),[0-9.e-]+,.*")));
}

TEST_F(ToolPredict, TakesTheMeanOfAnImageAndItsMirrorImageIfAsked) {
  std::vector<std::uint8_t> rgb;
  for (int i = 0; i < 16 * 16; ++i) rgb.insert(rgb.end(), 3, static_cast<std::uint8_t>(i % 16 * 16));
  const fs::path image = folder_.write("image.png", rgb_png(16, 16, rgb));
  for (std::size_t row = 0; row < rgb.size(); row += 48)
    std::reverse(rgb.begin() + static_cast<std::ptrdiff_t>(row), rgb.begin() + static_cast<std::ptrdiff_t>(row + 48));
  const fs::path mirrored = folder_.write("mirrored.png", rgb_png(16, 16, rgb));
  const auto one = predicted({run(), image, mirrored});
  EXPECT_NE(one["images"][0]["logits"], one["images"][1]["logits"]);
  const auto both = predicted({run(), image, mirrored, "--tta", "flip"});
  EXPECT_EQ(both["images"][0]["logits"], both["images"][1]["logits"]);
  EXPECT_EQ(both["tta"], "flip");
  const auto none = predicted({run(), image, mirrored, "--tta", "flip-shift", "--tta-below", "0"});
  EXPECT_EQ(none["images"], one["images"]);
  const auto six = predicted({run(), image, mirrored, "--tta", "flip-shift", "--tta-below", "0.999"});
  EXPECT_NE(six["images"][0]["logits"], both["images"][0]["logits"]);
  EXPECT_EQ(six["images"], predicted({run(), image, mirrored, "--tta", "flip-shift"})["images"]);
}

TEST_F(ToolPredict, NamesBrokenFilesAndRefusesThemOrGoesOnWithoutThem) {
  const fs::path broken = folder_.write("images/broken.png", "no image");
  folder_.write("images/good.png", noisy_png(20, 20, 40, 1));
  folder_.write("images/notes.txt", "");
  const fs::path json = folder_.path() / "out.json";
  const ToolResult refused = predict({run(), folder_.path() / "images", "--json", json});
  EXPECT_EQ(refused.status, 1);
  EXPECT_EQ(refused.output, "");
  EXPECT_THAT(refused.errors, HasSubstr(broken.string() + ": no PNG, JPEG or PPM image; --broken-files skip leaves"));
  EXPECT_FALSE(fs::exists(json));

  const std::string none = folder_.path() / "none.png";
  const ToolResult left_out =
      predict({run(), none, folder_.path() / "images", "--broken-files", "skip", "--json", json});
  EXPECT_EQ(left_out.status, 0);
  EXPECT_THAT(left_out.errors, AllOf(HasSubstr("note: left out: " + none + ": can't be opened: No such file"),
                                     HasSubstr("note: left out: " + broken.string() + ": no PNG"),
                                     HasSubstr("left out 1 file, no image by its name: 1 .txt"),
                                     HasSubstr("1 image in "), HasSubstr(", 2 left out\n")));
  EXPECT_THAT(lines(left_out.output), ElementsAre(StartsWith((folder_.path() / "images/good.png").string())));
  const auto result = nlohmann::json::parse(read_text_file(json));
  ASSERT_EQ(result["images"].size(), 1U);
  ASSERT_EQ(result["left_out"].size(), 2U);
  EXPECT_EQ(result["left_out"][1]["path"], broken.string());

  const ToolResult all_broken = predict({run(), broken, "--broken-files", "skip"});
  EXPECT_EQ(all_broken.status, 1);
  EXPECT_THAT(all_broken.errors, HasSubstr("error: " + broken.string() + ": no PNG"));
}

TEST_F(ToolPredict, ReadsPathsFromStandardInput) {
  const fs::path good = folder_.write("a good.png", noisy_png(20, 20, 40, 1));
  const auto with_input = [&](const std::string& input, const std::string& options) {
    const fs::path list = folder_.write("list", input);
    const fs::path output = folder_.path() / "output";
    const std::string command = std::string(CONVMIXER_TOOL) + " predict " + run() + " - --quiet " + options + " < " +
                                list.string() + " > " + output.string() + " 2>&1";
    const int status = std::system(command.c_str());
    EXPECT_TRUE(WIFEXITED(status));
    return std::to_string(WEXITSTATUS(status)) + " " + read_text_file(output);
  };
  EXPECT_THAT(with_input(good.string() + "\r\n\n" + photo(), ""),
              MatchesRegex("0 " + good.string() + ": .*\n" + photo() + ": .*\n"));
  EXPECT_THAT(with_input(good.string() + std::string(1, '\0') + photo(), "--null"),
              MatchesRegex("0 " + good.string() + ": .*\n" + photo() + ": .*\n"));
  EXPECT_THAT(with_input(good.string() + std::string(1, '\0'), ""), StartsWith("2 convmixer: error: the paths on"));
  EXPECT_THAT(with_input("\n", ""), StartsWith("1 convmixer: error: no path on standard input"));
}

/// What torch.save or timm write says nothing about images; the tensors are those of a run here.
TEST_F(ToolPredict, SaysWhatItTakesForGrantedOfWeightsThatDontSay) {
  const std::string whole = read_text_file(run() + "/best.safetensors");
  const std::size_t begin = whole.find("\"__metadata__\":{");
  const std::size_t end = whole.find('}', begin) + 2;
  std::string bare = whole;
  bare.replace(begin, end - begin, std::string(end - begin, ' '));  // blanks between the keys
  const fs::path file = folder_.write("bare.safetensors", bare);
  const ToolResult result = predict({file, photo()});
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(lines(result.errors), ElementsAre(AllOf(StartsWith("note: " + file.string() +
                                                                 " doesn't say what its images were like: taken as "
                                                                 "32 x 32 pixels, mean 0.485,0.456,0.406"),
                                                      HasSubstr("--image-size, --mean, --std, --fit say otherwise")),
                                                HasSubstr("--class-names names them")));
  EXPECT_THAT(result.output, MatchesRegex(photo() + ": [01] [0-9.]+%, [01] [0-9.]+%\n"));

  // Told what the run knows, it says what the run says.
  const auto known = predicted({run(), photo()});
  const auto numbers = [&](const char* key) {
    std::string text;
    for (const auto& number : known[key]) text += (text.empty() ? "" : ",") + number.dump();
    return text;
  };
  const fs::path names = folder_.write("names.txt",
                                       "\xef\xbb\xbf"
                                       "dark, blue\r\nlight\r\n");
  const ToolResult told = predict({file, photo(), "--image-size", "16", "--fit", "stretch", "--mean", numbers("mean"),
                                   "--std", numbers("std"), "--class-names", names});
  EXPECT_EQ(told.errors, "");
  EXPECT_EQ(told.output, predict({run(), photo()}).output);
}

/// Weights of version 0.1.0 know their data set, but neither its classes' names nor how images are fitted.
TEST_F(ToolPredict, KnowsTheClassesOfTheDataSetThatOldWeightsWereTrainedOn) {
  const fs::path old = fs::path(CONVMIXER_SOURCE_DIR) / "tests" / "train" / "old_run";
  const ToolResult result = predict({old, photo(), "--top", "10"});
  EXPECT_EQ(result.errors, "");
  EXPECT_THAT(result.output, AllOf(HasSubstr("hourglass "), HasSubstr("circle ")));
}

TEST_F(ToolPredict, RefusesWhatMakesNoSenseInALineAndLeavesNothing) {
  const auto refusal = [&](int status, const std::vector<std::string>& words) {
    const ToolResult result = predict(words + std::vector<std::string>{"--csv", folder_.path() / "out.csv"});
    EXPECT_EQ(result.status, status) << result.errors;
    EXPECT_EQ(result.output, "");
    EXPECT_EQ(lines(result.errors).size(), 1U) << result.errors;
    EXPECT_THAT(folder_.names(), testing::Not(testing::Contains("out.csv")));
    return result.errors;
  };
  EXPECT_THAT(refusal(2, {run()}), HasSubstr("then images"));
  EXPECT_THAT(refusal(1, {run(), folder_.path() / "none.png"}), HasSubstr("No such file"));
  EXPECT_THAT(refusal(1, {run(), run()}), HasSubstr("the folder of a run"));
  EXPECT_THAT(refusal(1, {folder_.path() / "none.safetensors", photo()}), HasSubstr("No such file"));
  EXPECT_THAT(refusal(1, {folder_.path(), photo()}), HasSubstr("no run folder"));
  const fs::path pipe = folder_.path() / "pipe.safetensors";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(refusal(1, {pipe, photo()}), HasSubstr("pipe.safetensors: expected a file, found something else"));
  const std::string whole = read_text_file(run() + "/best.safetensors");
  EXPECT_THAT(refusal(1, {folder_.write("cut", whole.substr(0, whole.size() - 9)), photo()}), HasSubstr("/cut: "));
  EXPECT_THAT(refusal(2, {run(), photo(), "--class-names", "a,b,c"}), HasSubstr("found 3 names"));
  EXPECT_THAT(refusal(2, {run(), photo(), "--mean", "0.5"}), HasSubstr("mean has 1 value"));
  EXPECT_THAT(refusal(2, {run(), photo(), "--image-size", "3"}), HasSubstr("image"));
  EXPECT_THAT(refusal(2, {run(), "-", "-"}), HasSubstr("'-' is given twice"));
  EXPECT_THAT(refusal(1, {run(), photo(), "--json", folder_.path() / "none" / "out"}), HasSubstr("can't be created"));
  EXPECT_THAT(predict({run(), photo(), "--json", "-", "--csv", "-"}).errors, HasSubstr("can't both be -"));
  const std::string image = folder_.write("image.png", noisy_png(20, 20, 40, 1));
  EXPECT_THAT(refusal(2, {run(), image, "--json", image}), HasSubstr("that is what is read"));
}

TEST_F(ToolPredict, NamesTheImageForWhichTheNetworkGivesNoNumber) {
  std::string weights = read_text_file(run() + "/best.safetensors");
  std::uint64_t length = 0;
  std::copy_n(weights.data(), sizeof(length), reinterpret_cast<char*>(&length));
  const auto header = nlohmann::json::parse(weights.substr(8, length));
  constexpr float kHuge = 3e38F;  // a number, but not its square
  for (const char* name : {"blocks.1.3.bias", "head.weight"}) {
    const auto& offsets = header[name]["data_offsets"];
    for (auto at = offsets[0].get<std::size_t>(); at < offsets[1].get<std::size_t>(); at += sizeof(kHuge))
      std::copy_n(reinterpret_cast<const char*>(&kHuge), sizeof(kHuge), weights.data() + 8 + length + at);
  }
  const ToolResult result = predict({folder_.write("huge.safetensors", weights), photo()});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(result.errors, AllOf(HasSubstr(photo() + ": class 'dark, blue' got the logit "), HasSubstr("damaged")));
}

/// A reader that takes nothing keeps it waiting in the middle of its work.
TEST_F(ToolPredict, EndsByASignalWithNothingHalfWritten) {
  fs::create_directory(folder_.path() / "many");
  for (int i = 0; i < 400; ++i) fs::create_hard_link(photo(), folder_.path() / "many" / (std::to_string(i) + ".png"));
  const fs::path pipe = folder_.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);  // lines fill the pipe
  std::vector<std::string> words{"predict", run(), "--json", folder_.path() / "out.json", "--batch-size", "10"};
  for (int i = 0; i < 20; ++i) words.push_back(folder_.path() / "many");
  ToolProcess process(words, {}, pipe);
  int printed = 0;
  while (process.running() && printed == 0) {
    ASSERT_EQ(::ioctl(reader, FIONREAD, &printed), 0);
    ::usleep(1000);
  }
  EXPECT_EQ(folder_.names().size(), 3U);
  process.send(SIGTERM);
  EXPECT_EQ(process.wait().status, 128 + SIGTERM);
  ::close(reader);
  EXPECT_THAT(folder_.names(), ElementsAre("many", "pipe"));
}

}  // namespace
}  // namespace convmixer

#include "convmixer/core/file.hpp"
#include "convmixer/io/pytorch_file.hpp"
#include "convmixer/io/safetensors.hpp"
#include "support/onnx_interpreter.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing_support::OnnxInterpreter;

/// A run that all tests export.
class ToolExport : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    parent_ = new testing_support::TemporaryFolder;
    ASSERT_EQ(run_tool(small_training(run(), 1)).status, 0);
  }
  static void TearDownTestSuite() {
    delete parent_;
    parent_ = nullptr;
  }

  static fs::path run() { return parent_->path() / "run"; }
  static fs::path best() { return run() / "best.safetensors"; }
  [[nodiscard]] fs::path out(const std::string& name) const { return folder_.path() / name; }

  /// Exports the run, or another file, which must work; returns what was printed.
  static std::string exported(const fs::path& out, const std::vector<std::string>& more = {},
                              const fs::path& from = run()) {
    const ToolResult result = run_tool(std::vector<std::string>{"export", from, "--out", out} + more);
    EXPECT_EQ(result.status, 0) << result.errors;
    EXPECT_EQ(result.errors, "");
    return result.output;
  }
  /// The message of an export that must fail with this status and write nothing.
  std::string refusal(int status, const std::vector<std::string>& words) {
    const std::vector<std::string> before = folder_.names();
    const ToolResult result = run_tool(std::vector<std::string>{"export"} + words);
    EXPECT_EQ(result.status, status) << result.output;
    EXPECT_EQ(folder_.names(), before);
    EXPECT_EQ(std::ranges::count(result.errors, '\n'), 1);
    return result.errors;
  }

  static testing_support::TemporaryFolder* parent_;
  testing_support::TemporaryFolder folder_;
};

testing_support::TemporaryFolder* ToolExport::parent_ = nullptr;

TEST_F(ToolExport, TakesTheFormatFromTheFilesEnding) {
  EXPECT_THAT(exported(out("a.safetensors")), HasSubstr("safetensors, f32, timm's names"));
  EXPECT_EQ(read_text_file(out("a.safetensors")), read_text_file(best()));
  EXPECT_THAT(exported(out("a.pth")), HasSubstr("PyTorch, f32, timm's names"));
  EXPECT_TRUE(is_pytorch_file(out("a.pth")));
  EXPECT_THAT(exported(out("a.onnx")), HasSubstr("ONNX, opset 17"));
  EXPECT_THAT(exported(out("b.bin"), {"--format", "safetensors-f16"}), HasSubstr("safetensors, f16, timm's names"));
  EXPECT_EQ(SafetensorsFile(out("b.bin")).tensor("head.weight").dtype, DType::f16);
}

TEST_F(ToolExport, GoesToPytorchAndBackBitForBit) {
  for (const char* names : {"timm", "locuslab", "paper", "labml"}) {
    exported(out("a.pth"), {"--names", names});
    exported(out("a.safetensors"), {}, out("a.pth"));
    EXPECT_EQ(read_text_file(out("a.safetensors")), read_text_file(best())) << names;
  }
}

TEST_F(ToolExport, WritesNetworksThatSayWhatTheyTake) {
  const std::string output = exported(out("a.onnx"));
  EXPECT_THAT(output, HasSubstr("input    input, f32 (batch, 3, 32, 32): pixels scaled to 0..1, less 0."));
  EXPECT_THAT(output, HasSubstr("output   logits, f32 (batch, 10)"));
  const OnnxInterpreter model(read_text_file(out("a.onnx")));
  std::vector<std::string> keys;
  for (const auto& entry : model.model().messages(14)) keys.push_back(entry.text(1));
  for (const char* key : {"class_names", "mean", "std", "fit", "input"}) EXPECT_THAT(keys, Contains(key));
}

TEST_F(ToolExport, NormalisesInsideAndGivesProbabilitiesOnRequest) {
  const std::string output = exported(out("a.onnx"), {"--normalise", "--probabilities", "--image-size", "40"});
  EXPECT_THAT(output, HasSubstr("input    input, f32 (batch, 3, 40, 40): pixels scaled to 0..1\n"));
  EXPECT_THAT(output, HasSubstr("output   probabilities, f32 (batch, 10)"));
  const OnnxInterpreter model(read_text_file(out("a.onnx")));
  EXPECT_EQ(model.operators().front(), "Sub");
  EXPECT_EQ(model.operators().back(), "Softmax");
}

TEST_F(ToolExport, TakesWhatWeightsOfOtherProgramsDontSayAsOptions) {
  const SafetensorsFile whole(best());
  std::vector<TensorView> tensors;
  for (const auto& [name, entry] : whole.tensors()) tensors.push_back({name, entry.dtype, entry.shape, entry.bytes});
  write_pytorch_file(out("theirs.pth"), tensors, {});
  EXPECT_THAT(refusal(2, {out("theirs.pth"), "--out", out("a.onnx")}),
              HasSubstr("doesn't say how large its images are: give --image-size"));
  EXPECT_THAT(refusal(2, {out("theirs.pth"), "--out", out("a.onnx"), "--image-size", "48", "--normalise"}),
              HasSubstr("doesn't say by what images are normalised: give --mean and --std"));
  exported(out("a.safetensors"),
           {"--mean", "0.5,0.25,0.125", "--std", "1,2,3", "--image-size", "48", "--fit", "stretch", "--class-names",
            "a,b,c,d,e,f,g,h,i,j"},
           out("theirs.pth"));
  const SafetensorsFile file(out("a.safetensors"));
  EXPECT_EQ(file.metadata("mean"), "0.5 0.25 0.125");
  EXPECT_EQ(file.metadata("std"), "1 2 3");
  EXPECT_EQ(file.metadata("image_size"), "48");
  EXPECT_EQ(file.metadata("fit"), "stretch");
  EXPECT_EQ(file.metadata("class_names"), R"(["a","b","c","d","e","f","g","h","i","j"])");
  for (const auto& [name, entry] : whole.tensors())
    EXPECT_TRUE(std::ranges::equal(file.tensor(name).bytes, entry.bytes)) << name;
}

TEST_F(ToolExport, RefusesOptionsThatMakeNoSense) {
  const std::string file = out("a.pth");
  EXPECT_THAT(refusal(2, {run()}), HasSubstr("--out FILE is missing"));
  EXPECT_THAT(refusal(2, {run(), "--out", out("a.bin")}), HasSubstr("expected a file that ends in .onnx"));
  EXPECT_THAT(refusal(2, {run(), "--out", file, "--format", "onx"}), HasSubstr("expected one of by-ending, onnx"));
  EXPECT_THAT(refusal(2, {run(), "--out", file, "--normalise"}), HasSubstr("--normalise: for --format onnx alone"));
  EXPECT_THAT(refusal(2, {run(), "--out", out("a.onnx"), "--names", "labml"}), HasSubstr("--names: not for ONNX"));
  EXPECT_THAT(refusal(2, {run(), "--out", file, "--mean", "0.5"}), HasSubstr("--mean: 1 value, expected 3"));
  EXPECT_THAT(refusal(2, {run(), "--out", file, "--std", "1,0,1"}), HasSubstr("numbers of at least 1e-06"));
  EXPECT_THAT(refusal(2, {run(), "--out", file, "--class-names", "cat,dog"}), HasSubstr("found 2 names"));
}

TEST_F(ToolExport, RefusesToReplaceWhatWasTrained) {
  for (const char* name : {"best.safetensors", "last.safetensors", "last.state.safetensors"}) {
    const std::string before = read_text_file(run() / name);
    EXPECT_THAT(refusal(2, {run(), "--out", run() / name, "--format", "pytorch"}),
                HasSubstr("that is a file of the run in"));
    EXPECT_EQ(read_text_file(run() / name), before);
  }
  fs::copy_file(best(), out("a.safetensors"));
  fs::create_symlink("a.safetensors", out("link.safetensors"));
  EXPECT_THAT(refusal(2, {out("a.safetensors"), "--out", out("link.safetensors")}),
              HasSubstr("that is what is read: give another file"));
}

TEST_F(ToolExport, RefusesAFileThatCantBeWrittenBeforeItReads) {
  EXPECT_THAT(refusal(1, {"/no/such/weights", "--out", out("missing") / "a.onnx"}), HasSubstr("missing"));
}

TEST_F(ToolExport, NamesWeightsThatAreDamagedOrOfAnotherNetwork) {
  const std::string whole = read_text_file(best());
  const fs::path cut = folder_.write("cut.safetensors", whole.substr(0, whole.size() - 100));
  EXPECT_THAT(refusal(1, {cut, "--out", out("a.onnx")}), HasSubstr("cut.safetensors: "));

  EXPECT_THAT(refusal(1, {run() / "last.state.safetensors", "--out", out("a.onnx")}),
              HasSubstr("what a training goes on from, expected weights, such as best.safetensors beside it"));

  exported(out("whole.pth"));
  const fs::path cut_pth = folder_.write("cut.pth", read_text_file(out("whole.pth")).substr(0, 5000));
  EXPECT_THAT(refusal(1, {cut_pth, "--out", out("a.onnx")}), HasSubstr("cut.pth: "));

  const float value = 1.0F;
  const std::vector<TensorView> tensors{{"fc.weight", DType::f32, {1}, std::as_bytes(std::span(&value, 1))}};
  write_safetensors(out("other.safetensors"), tensors, {});
  EXPECT_THAT(refusal(1, {out("other.safetensors"), "--out", out("a.onnx")}), HasSubstr("other.safetensors: "));
}

TEST_F(ToolExport, RefusesNumbersThatArentWhateverTheFormat) {
  std::string bytes = read_text_file(best());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(bytes.data() + bytes.size() - sizeof(nan), &nan, sizeof(nan));
  const fs::path file = folder_.write("nan.safetensors", bytes);
  for (const char* format : {"onnx", "safetensors", "safetensors-bf16", "pytorch"})
    EXPECT_THAT(refusal(1, {file, "--out", out("a.out"), "--format", format}),
                testing::AllOf(HasSubstr("nan.safetensors: "), HasSubstr("blocks.1.3.running_var")));
}

}  // namespace
}  // namespace convmixer

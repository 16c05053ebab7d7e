#include "convmixer/core/file.hpp"
#include "convmixer/io/pytorch_file.hpp"
#include "io/zip_writer.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::error_of;

const std::array<float, 6> kFloats{1, 2, 3, 4, 5, 6};
const std::array<std::int64_t, 1> kCount{1234567890123};
const std::array<std::uint16_t, 2> kSixteenBits{0x3c00, 0xc000};

TensorView floats(const std::string& name) { return {name, DType::f32, {2, 3}, std::as_bytes(std::span(kFloats))}; }

/// What a zip archive says of a file where it begins.
struct Stored {
  std::string name;
  int method = -1;
  std::size_t begin = 0;  ///< of its contents
};

std::vector<Stored> stored_files(const std::string& archive) {
  const auto number = [&](std::size_t at, int bytes) {
    std::size_t value = 0;
    for (int i = bytes; i-- > 0;)
      value = value << 8U | static_cast<std::uint8_t>(archive.at(at + static_cast<std::size_t>(i)));
    return value;
  };
  std::vector<Stored> files;
  for (std::size_t at = 0; archive.substr(at, 4) == "PK\x03\x04";) {
    const std::size_t name = number(at + 26, 2), extra = number(at + 28, 2);
    const std::size_t begin = at + 30 + name + extra;
    files.push_back({archive.substr(at + 30, name), static_cast<int>(number(at + 8, 2)), begin});
    at = begin + number(at + 18, 4);
  }
  return files;
}

class PytorchWriter : public testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path path() const { return folder_.path() / "weights.pth"; }
  void write(const std::vector<TensorView>& tensors, const std::map<std::string, std::string>& metadata = {}) const {
    write_pytorch_file(path(), tensors, metadata);
  }
  /// The message, without the file's name; nothing may have been written.
  [[nodiscard]] std::string refusal(const std::vector<TensorView>& tensors,
                                    const std::map<std::string, std::string>& metadata = {}) const {
    std::string message = error_of([&] { write(tensors, metadata); }).what();
    EXPECT_THAT(folder_.names(), IsEmpty());
    return message.substr(path().string().size() + 2);
  }

  testing_support::TemporaryFolder folder_;
};

TEST_F(PytorchWriter, WritesWhatItsReaderReads) {
  const std::vector<TensorView> tensors{floats("a.weight"),
                                        {"count", DType::i64, {}, std::as_bytes(std::span(kCount))},
                                        {"half", DType::f16, {2}, std::as_bytes(std::span(kSixteenBits))},
                                        {"bf16", DType::bf16, {1, 2, 1}, std::as_bytes(std::span(kSixteenBits))},
                                        {"none", DType::f32, {0, 3}, {}}};
  write(tensors);
  EXPECT_TRUE(is_pytorch_file(path()));
  const PytorchFile file(path());
  ASSERT_EQ(file.tensors().size(), tensors.size());
  for (const TensorView& tensor : tensors) {
    const TensorFile::Entry& entry = file.tensor(tensor.name);
    EXPECT_EQ(entry.dtype, tensor.dtype) << tensor.name;
    EXPECT_EQ(entry.shape, tensor.shape) << tensor.name;
    EXPECT_TRUE(std::ranges::equal(entry.bytes, tensor.bytes)) << tensor.name;
  }
}

TEST_F(PytorchWriter, KeepsMetadata) {
  write({floats("a")}, {{"class_names", R"(["Löwe"])"}, {"generator", "convmixer 1"}});
  EXPECT_THAT(PytorchFile(path()).metadata(),
              ElementsAre(testing::Pair("class_names", R"(["Löwe"])"), testing::Pair("generator", "convmixer 1")));
}

TEST_F(PytorchWriter, StoresItsRecordsAtMultiplesOf64Bytes) {
  write({floats("a"), floats("b")}, {{"key", "value"}});
  std::vector<std::string> names;
  for (const Stored& file : stored_files(read_text_file(path()))) {
    names.push_back(file.name);
    EXPECT_EQ(file.method, 0) << file.name;
    EXPECT_EQ(file.begin % 64, 0U) << file.name;
  }
  EXPECT_THAT(names, ElementsAre("archive/data.pkl", "archive/byteorder", "archive/data/0", "archive/data/1",
                                 "archive/version", "archive/convmixer.json"));
}

TEST_F(PytorchWriter, PicklesAsTorchSaveDoes) {
  write({floats("a")});
  const std::string archive = read_text_file(path());
  const auto four = [](char value) { return std::string(1, value) + std::string(3, '\0'); };
  const std::string dict = "ccollections\nOrderedDict\n)R";
  const std::string storage =
      "(X" + four(7) + "storagectorch\nFloatStorage\nX" + four(1) + "0X" + four(3) + "cpuJ" + four(6) + "tQ";
  const std::string expected = "\x80\x02" + dict + "(X" + four(1) + "actorch._utils\n_rebuild_tensor_v2\n(" + storage +
                               "J" + four(0) + "(J" + four(2) + "J" + four(3) + "t(J" + four(3) + "J" + four(1) +
                               "t\x89" + dict + "tRu.";
  const auto files = stored_files(archive);
  EXPECT_EQ(archive.substr(files.at(0).begin, expected.size()), expected);
  EXPECT_EQ(archive.substr(files.at(1).begin, 6), "little");
  EXPECT_EQ(archive.substr(files.at(3).begin, 2), "3\n");
}

TEST_F(PytorchWriter, RefusesTensorsThatCantBeWritten) {
  EXPECT_EQ(refusal({floats("a"), floats("a")}), "tensor \"a\": can't be written: there are two tensors of this name");
  EXPECT_EQ(refusal({floats("\xff")}), "tensor \"\\ufffd\": can't be written: its name is not UTF-8");
  TensorView tensor = floats("a");
  tensor.shape = {7};
  EXPECT_EQ(refusal({tensor}),
            "tensor \"a\": can't be written: found 24 bytes, expected 7 elements of 4 for shape (7)");
  tensor.dtype = DType::other;
  EXPECT_EQ(refusal({tensor}), "tensor \"a\": can't be written: expected elements of a type that is read, too");
  EXPECT_EQ(refusal({floats("a")}, {{"key", "\xff"}}), "can't be written: the metadata is not UTF-8");
}

TEST_F(PytorchWriter, RefusesWhatNeedsTheExtensionForLongArchives) {
  const std::vector<ZipEntry> many(65536, {"file", {}});
  EXPECT_THAT(
      error_of([&] { write_zip(path(), many); }).what(),
      HasSubstr("a zip archive of 65536 files and 7471126 bytes can't be written: expected at most 65535 and "));
  EXPECT_THAT(folder_.names(), IsEmpty());
}

TEST_F(PytorchWriter, NamesAFileThatCantBeWritten) {
  const auto missing = folder_.path() / "missing" / "weights.pth";
  EXPECT_THAT(error_of([&] { write_pytorch_file(missing, {}, {}); }).what(), HasSubstr(missing.string()));
}

}  // namespace
}  // namespace convmixer

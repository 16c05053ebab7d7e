#include "convmixer/io/safetensors.hpp"

#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/precision.hpp"
#include "support/error_of.hpp"
#include "support/file_size_limit.hpp"
#include "support/safetensors_bytes.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace convmixer {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::error_of;
using testing_support::FileSizeLimit;
using testing_support::safetensors_bytes;
using testing_support::TemporaryFolder;

template <typename T>
std::span<const std::byte> bytes_of(const T& values) {
  return std::as_bytes(std::span(values));
}

const std::filesystem::path kGolden = std::filesystem::path(CONVMIXER_SOURCE_DIR) / "tests" / "golden";

TEST(Safetensors, ReadsBackWhatItWrote) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.safetensors";
  const std::array<std::int64_t, 1> counter{std::numeric_limits<std::int64_t>::min() + 7};
  const std::array<float, 6> weights{1.5F, -0.0F, 1e-42F, std::numeric_limits<float>::infinity(), 3e38F, 1.0F / 3.0F};
  const std::array<std::uint8_t, 3> pixels{0, 128, 255};
  const std::vector<TensorView> tensors{{"count", DType::i64, {}, bytes_of(counter)},
                                        {"weight \"quoted\"\n", DType::f32, {2, 3, 1}, bytes_of(weights)},
                                        {"none", DType::f32, {4, 0}, {}},
                                        {"pixels", DType::u8, {3}, bytes_of(pixels)}};
  write_safetensors(path, tensors, {{"key", "value \xc3\xa4"}, {"empty", ""}});

  const SafetensorsFile file(path);
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(file.tensors().size(), 4U);
  EXPECT_TRUE(file.contains("none"));
  EXPECT_FALSE(file.contains("some"));
  EXPECT_THAT(file.read_int64("count"), ElementsAre(counter[0]));
  std::array<float, 6> read{};
  file.read("weight \"quoted\"\n", {2, 3, 1}, read);
  for (std::size_t i = 0; i < read.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(read[i]), std::bit_cast<std::uint32_t>(weights[i])) << i;
  }
  file.read("none", {4, 0}, {});
  EXPECT_EQ(file.tensor("pixels").dtype, DType::u8);
  EXPECT_EQ(file.tensor("pixels").shape, (Shape{3}));
  EXPECT_EQ(std::to_integer<int>(file.tensor("pixels").bytes[1]), 128);
  EXPECT_EQ(file.metadata("key"), "value \xc3\xa4");
  EXPECT_EQ(file.metadata("empty"), "");
  EXPECT_EQ(file.metadata().size(), 2U);
}

TEST(Safetensors, RefusesToWriteWhatItCouldNotReadAgain) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.safetensors";
  const std::array<float, 6> values{};
  const auto refusal = [&](const std::vector<TensorView>& tensors) {
    return std::string(error_of([&] { write_safetensors(path, tensors, {}); }).what());
  };
  const TensorView good{"w", DType::f32, {2, 3}, bytes_of(values)};
  EXPECT_THAT(refusal({{"w", DType::f32, {2, 4}, bytes_of(values)}}),
              AllOf(HasSubstr("\"w\""), HasSubstr("found 24 bytes, expected 32 for shape (2, 4) of F32")));
  EXPECT_THAT(refusal({{"w", DType::f32, {std::int64_t{1} << 62}, {}}}), HasSubstr("found 0 bytes"));
  EXPECT_THAT(refusal({{"w", static_cast<DType>(77), {2, 3}, bytes_of(values)}}), HasSubstr("a type that is read"));
  EXPECT_THAT(refusal({{"w", DType::other, {2, 3}, bytes_of(values)}}), HasSubstr("a type that is read"));
  EXPECT_THAT(refusal({good, good}), HasSubstr("two tensors of this name"));
  EXPECT_THAT(refusal({{"__metadata__", DType::f32, {2, 3}, bytes_of(values)}}), HasSubstr("that of the metadata"));
  EXPECT_EQ(refusal({good, {"w\xff", DType::f32, {2, 3}, bytes_of(values)}}),
            path.string() + R"(: tensor "w\ufffd": can't be written: its name is not UTF-8)");
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Safetensors, RefusesToReadIntoMemoryOfAnotherSize) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.safetensors";
  const std::array<float, 6> values{};
  write_safetensors(path, std::vector<TensorView>{{"w", DType::f32, {2, 3}, bytes_of(values)}}, {});
  const SafetensorsFile file(path);
  std::array<float, 5> small{};
  EXPECT_THAT(error_of([&] {
                file.read("w", {2, 3}, small);
              }).what(),
              HasSubstr("5 values to read it into, expected 6 for shape (2, 3)"));
}

TEST(Safetensors, WritesTheBytesOfTheFormat) {
  const TemporaryFolder folder;
  const std::array<float, 2> values{1.0F, -2.0F};
  const std::vector<TensorView> tensors{{"b", DType::f32, {2, 1}, bytes_of(values)},
                                        {"a", DType::f32, {}, bytes_of(values).first(4)}};
  write_safetensors(folder.path() / "a", tensors, {{"format", "pt"}});
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[8,12]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  const std::string one("\0\0\x80\x3f", 4);
  const std::string minus_two("\0\0\0\xc0", 4);
  EXPECT_EQ(read_text_file(folder.path() / "a"), safetensors_bytes(padded, one + minus_two + one));
}

TEST(Safetensors, BeginsTheDataAtMultiplesOfEightBytes) {
  const TemporaryFolder folder;
  const std::array<float, 1> value{1.0F};
  for (std::size_t length = 1; length <= 9; ++length) {
    const std::vector<TensorView> tensors{{std::string(length, 'n'), DType::f32, {1}, bytes_of(value)}};
    write_safetensors(folder.path() / "a", tensors, {});
    EXPECT_EQ((std::filesystem::file_size(folder.path() / "a") - sizeof(float)) % 8, 0U) << length;
    const SafetensorsFile file(folder.path() / "a");
    EXPECT_TRUE(file.metadata().empty());
  }
}

TEST(Safetensors, ReadsTheReferenceImplementationsFiles) {
  const SafetensorsFile augment(kGolden / "augment.safetensors");
  EXPECT_EQ(augment.tensor("AutoContrast.bin12.pos").dtype, DType::u8);
  EXPECT_EQ(augment.tensor("AutoContrast.bin12.pos").shape, (Shape{4, 32, 32, 3}));
  EXPECT_EQ(augment.metadata("Rotate.bin9.pos"), "9.0");

  const SafetensorsFile model(kGolden / "convmixer_d40x1_k7_p4.safetensors");
  EXPECT_EQ(model.metadata("kernel"), "7");
  EXPECT_THAT(model.read_int64("input.y"), testing::SizeIs(3));
  std::vector<float> losses(5);
  model.read("losses", {5}, losses);
  for (const float loss : losses) {
    EXPECT_GT(loss, 0.0F);
    EXPECT_LT(loss, 10.0F);
  }
  std::vector<float> variance(40);
  model.read("init.stem.2.running_var", {40}, variance);
  EXPECT_THAT(variance, testing::Each(1.0F));
}

TEST(Safetensors, WidensHalfPrecision) {
  const TemporaryFolder folder;
  const std::array<std::uint16_t, 9> bits{0x3c00, 0xc000, 0x0001, 0x83ff, 0x0400, 0x7bff, 0xfc00, 0x7e00, 0x8000};
  const std::vector<TensorView> tensors{{"half", DType::f16, {9}, bytes_of(bits)}};
  write_safetensors(folder.path() / "a", tensors, {});
  std::array<float, 9> read{};
  SafetensorsFile(folder.path() / "a").read("half", {9}, read);
  EXPECT_EQ(read[0], 1.0F);
  EXPECT_EQ(read[1], -2.0F);
  EXPECT_EQ(read[2], 0x1p-24F);
  EXPECT_EQ(read[3], -1023.0F * 0x1p-24F);
  EXPECT_EQ(read[4], 0x1p-14F);
  EXPECT_EQ(read[5], 65504.0F);
  EXPECT_EQ(read[6], -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(read[7]));
  EXPECT_EQ(std::bit_cast<std::uint32_t>(read[8]), 0x80000000U);
}

TEST(Safetensors, WidensBfloat16WhereverItLies) {
  const TemporaryFolder folder;
  // One byte before the tensor: its elements are not aligned.
  const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[1,5]}})";
  const auto path = folder.write("a", safetensors_bytes(header, std::string("\x01\x80\x3f\x49\xc0", 5)));
  std::array<float, 2> read{};
  SafetensorsFile(path).read("b", {2}, read);
  EXPECT_THAT(read, ElementsAre(1.0F, from_bf16(0xc049)));
}

TEST(Safetensors, ListsTypesItCanNotRead) {
  const TemporaryFolder folder;
  const auto path = folder.write(
      "a", safetensors_bytes(R"({"d":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}})", std::string(16, '\0')));
  const SafetensorsFile file(path);
  EXPECT_EQ(file.tensor("d").dtype, DType::other);
  std::array<float, 2> out{};
  EXPECT_THAT(error_of([&] { file.read("d", {2}, out); }).what(),
              AllOf(HasSubstr(path.string()), HasSubstr("\"d\""), HasSubstr("F32, F16 or BF16")));
}

TEST(Safetensors, NamesWhatIsMissingOrOfAnotherKind) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a";
  const std::array<float, 6> values{};
  const std::vector<TensorView> tensors{{"weight", DType::f32, {2, 3}, bytes_of(values)}};
  write_safetensors(path, tensors, {});
  const SafetensorsFile file(path);
  std::array<float, 6> out{};
  EXPECT_THAT(error_of([&] { file.read("bias", {6}, out); }).what(),
              AllOf(HasSubstr(path.string()), HasSubstr("no tensor \"bias\"")));
  EXPECT_THAT(error_of([&] {
                file.read("weight", {3, 2}, out);
              }).what(),
              AllOf(HasSubstr(path.string()), HasSubstr("\"weight\""), HasSubstr("(2, 3), expected (3, 2)")));
  EXPECT_THAT(error_of([&] { static_cast<void>(file.read_int64("weight")); }).what(),
              AllOf(HasSubstr(path.string()), HasSubstr("\"weight\""), HasSubstr("I64")));
  EXPECT_THAT(error_of([&] { static_cast<void>(file.metadata("format")); }).what(),
              AllOf(HasSubstr(path.string()), HasSubstr("no metadata \"format\"")));
}

TEST(Safetensors, SaysWhenTheFileCanNotBeOpened) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "absent.safetensors";
  EXPECT_THAT(error_of([&] { SafetensorsFile file(path); }).what(), HasSubstr(path.string()));
}

TEST(Safetensors, FailedWriteLeavesTheOldFileAndNothingElse) {
  const TemporaryFolder folder;
  const auto path = folder.write("a.safetensors", "old");
  const std::vector<float> values(10000);
  const std::vector<TensorView> tensors{{"weight", DType::f32, {10000}, bytes_of(values)}};
  {
    const FileSizeLimit disk_full(1000);
    EXPECT_THAT(error_of([&] { write_safetensors(path, tensors, {}); }).what(), HasSubstr(path.string()));
  }
  EXPECT_EQ(read_text_file(path), "old");
  EXPECT_THAT(folder.names(), ElementsAre("a.safetensors"));
}

TEST(Safetensors, RefusesToWriteIntoAFolderThatIsNotThere) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "absent" / "a.safetensors";
  EXPECT_THAT(error_of([&] { write_safetensors(path, {}, {}); }).what(), HasSubstr(path.string()));
  EXPECT_THAT(folder.names(), testing::IsEmpty());
}

TEST(Safetensors, RefusesToWriteMetadataThatIsNotUtf8) {
  const TemporaryFolder folder;
  const auto path = folder.write("a", "old");
  EXPECT_THAT(error_of([&] { write_safetensors(path, {}, {{"key", "\xff"}}); }).what(), HasSubstr("not UTF-8"));
  EXPECT_EQ(read_text_file(path), "old");
}

}  // namespace
}  // namespace convmixer

#include "convmixer/core/error.hpp"
#include "convmixer/core/rng.hpp"
#include "convmixer/io/safetensors.hpp"
#include "support/error_of.hpp"
#include "support/safetensors_bytes.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace convmixer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing_support::error_of;
using testing_support::header_length;
using testing_support::safetensors_bytes;
using testing_support::TemporaryFolder;

class CorruptSafetensors : public testing::Test {
 protected:
  /// The message of the Error that opening these bytes throws: one line, naming the file.
  std::string refusal(const std::string& bytes) {
    const auto path = file_of(bytes);
    std::string message = error_of([&] { SafetensorsFile file(path); }).what();
    EXPECT_THAT(message, AllOf(HasSubstr(path.string()), Not(HasSubstr("\n")))) << bytes;
    return message;
  }

  /// The same for a header with its right length, before 8 bytes of data.
  std::string refusal_of_header(const std::string& header) {
    return refusal(safetensors_bytes(header, std::string(8, '\0')));
  }

  /// Opens and, if that does not throw an Error, reads everything: it must all lie inside the file. Returns whether it
  /// opened.
  bool survives(const std::string& bytes) {
    const auto path = file_of(bytes);
    try {
      const SafetensorsFile file(path);
      int sum = 0;
      for (const auto& [name, entry] : file.tensors()) {
        for (const std::byte byte : entry.bytes) sum += std::to_integer<int>(byte);
        if (entry.dtype == DType::f32 || entry.dtype == DType::f16 || entry.dtype == DType::bf16) {
          std::vector<float> out(static_cast<std::size_t>(entry.shape.count()));
          file.read(name, entry.shape, out);
        }
      }
      EXPECT_GE(sum, 0);
      return true;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr(path.string()), Not(HasSubstr("\n"))));
      return false;
    }
  }

  /// A small file with tensors of several types and metadata.
  static std::string valid() {
    return safetensors_bytes(R"({"__metadata__":{"format":"pt"},)"
                             R"("n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                             R"("w":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]},)"
                             R"("e":{"dtype":"F32","shape":[0],"data_offsets":[32,32]},)"
                             R"("h":{"dtype":"F16","shape":[2],"data_offsets":[32,36]}}  )",
                             "0123456789abcdefghijklmnopqrstuvwxyz");
  }

  /// A new file: some file systems wait for the disk when an old one is rewritten.
  std::filesystem::path file_of(const std::string& bytes) {
    std::filesystem::remove(folder_.path() / "corrupt.safetensors");
    return folder_.write("corrupt.safetensors", bytes);
  }

  const TemporaryFolder folder_;
};

TEST_F(CorruptSafetensors, TheFileTheOthersAreMadeFromIsValid) { EXPECT_TRUE(survives(valid())); }

TEST_F(CorruptSafetensors, RefusesFilesShorterThanTheLength) {
  for (std::size_t size = 0; size < 8; ++size) {
    EXPECT_THAT(refusal(std::string(size, '\0')), HasSubstr("expected at least 8"));
  }
}

TEST_F(CorruptSafetensors, RefusesAHeaderLongerThanTheFile) {
  EXPECT_THAT(refusal(header_length(3) + "{}"), HasSubstr("ends within its header"));
  EXPECT_THAT(refusal(header_length(100'000'000) + "{}"), HasSubstr("ends within its header"));
}

TEST_F(CorruptSafetensors, RefusesAHeaderLongerThanTheLimit) {
  EXPECT_THAT(refusal(header_length(100'000'001) + "{}"), HasSubstr("at most 100000000"));
  EXPECT_THAT(refusal(header_length(0xffffffffffffffffU) + "{}"), HasSubstr("at most 100000000"));
  EXPECT_THAT(refusal("this is some text, not a model"), HasSubstr("at most 100000000"));
}

TEST_F(CorruptSafetensors, RefusesHeadersThatAreNoJsonObject) {
  EXPECT_THAT(refusal(header_length(0)), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refusal_of_header("[]"), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refusal_of_header(" {}"), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refusal_of_header("{\"a\":"), HasSubstr("not valid JSON at byte 14"));
  EXPECT_THAT(refusal_of_header("{} x"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal_of_header("{\"\xff\":1}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal_of_header(R"({"a":1e999})"), HasSubstr("not valid JSON"));
}

TEST_F(CorruptSafetensors, RefusesDeepNesting) {
  EXPECT_THAT(refusal_of_header("{\"a\":" + std::string(1'000'000, '[')), HasSubstr("nested too deeply"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_THAT(refusal_of_header(objects), HasSubstr("nested too deeply"));
}

TEST_F(CorruptSafetensors, RefusesEqualKeys) {
  const std::string entry = R"({"dtype":"U8","shape":[8],"data_offsets":[0,8]})";
  EXPECT_THAT(refusal_of_header("{\"a\":" + entry + ",\"a\":" + entry + "}"), HasSubstr("\"a\" twice"));
  EXPECT_THAT(refusal_of_header(R"({"a":{"dtype":"U8","dtype":"I8","shape":[8],"data_offsets":[0,8]}})"),
              HasSubstr("\"dtype\" twice"));
  EXPECT_THAT(refusal_of_header(R"({"__metadata__":{"k":"v","k":"w"}})"), HasSubstr("\"k\" twice"));
}

TEST_F(CorruptSafetensors, RefusesEntriesThatAreIncompleteOrOfAnotherKind) {
  const auto refused = [&](const std::string& entry) { return refusal_of_header("{\"a\":" + entry + "}"); };
  EXPECT_THAT(refused("3"), HasSubstr("not an object"));
  EXPECT_THAT(refused("[]"), HasSubstr("not an object"));
  EXPECT_THAT(refused(R"({"shape":[8],"data_offsets":[0,8]})"), HasSubstr("no dtype"));
  EXPECT_THAT(refused(R"({"dtype":"U8","data_offsets":[0,8]})"), HasSubstr("no shape"));
  EXPECT_THAT(refused(R"({"dtype":"U8","shape":[8]})"), HasSubstr("no data_offsets"));
  EXPECT_THAT(refused(R"({"dtype":8,"shape":[8],"data_offsets":[0,8]})"), HasSubstr("dtype is not a string"));
  EXPECT_THAT(refused(R"({"dtype":"F4\n","shape":[8],"data_offsets":[0,8]})"), HasSubstr(R"(unknown dtype "F4\n")"));
  EXPECT_THAT(refused(R"({"dtype":"U8","shape":8,"data_offsets":[0,8]})"), HasSubstr("shape is not an array"));
  EXPECT_THAT(refused(R"({"dtype":"U8","shape":[1,1,1,1,1,8],"data_offsets":[0,8]})"),
              HasSubstr("6 dimensions, expected at most 5"));
  EXPECT_THAT(refused(R"({"dtype":"U8","shape":[8],"data_offsets":[0]})"), HasSubstr("not an array of two"));
  EXPECT_THAT(refused(R"({"dtype":"U8","shape":[8],"data_offsets":[0,4,8]})"), HasSubstr("not an array of two"));
}

TEST_F(CorruptSafetensors, RefusesExtentsThatAreNegativeFractionalOrTooLarge) {
  const auto refused = [&](const std::string& shape) {
    return refusal_of_header(R"({"a":{"dtype":"U8","shape":)" + shape + R"(,"data_offsets":[0,8]}})");
  };
  EXPECT_THAT(refused("[-8]"), HasSubstr("not a number of at least 0"));
  EXPECT_THAT(refused("[-2,-4]"), HasSubstr("not a number of at least 0"));
  EXPECT_THAT(refused("[8.0]"), HasSubstr("not a number of at least 0"));
  EXPECT_THAT(refused("[\"8\"]"), HasSubstr("not a number of at least 0"));
  EXPECT_THAT(refused("[18446744073709551615]"), HasSubstr("not a number of at least 0"));
  EXPECT_THAT(refused("[99999999999999999999999]"), HasSubstr("not a number of at least 0"));
  // 2^32 * 2^32 is 0 in 64 bits, and 2^61 * 8 + 8 is 8.
  EXPECT_THAT(refused("[4294967296,4294967296]"), HasSubstr("too many elements"));
  EXPECT_THAT(refused("[2305843009213693953,8]"), HasSubstr("too many elements"));
  EXPECT_THAT(refused("[9223372036854775807]"), HasSubstr("expected 9223372036854775807 elements"));
}

TEST_F(CorruptSafetensors, RefusesSizesThatDoNotMatchTypeAndShape) {
  const auto refused = [&](const std::string& type, const std::string& shape) {
    return refusal_of_header(R"({"a":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":[0,8]}})");
  };
  EXPECT_THAT(refused("F32", "[3]"), HasSubstr("8 bytes of data, expected 3 elements of 4"));
  EXPECT_THAT(refused("F32", "[]"), HasSubstr("expected 1 elements of 4"));
  EXPECT_THAT(refused("F32", "[0]"), HasSubstr("expected 0 elements of 4"));
  EXPECT_THAT(refused("F64", "[2]"), HasSubstr("expected 2 elements of 8"));
  EXPECT_THAT(refused("BOOL", "[7]"), HasSubstr("expected 7 elements of 1"));
  EXPECT_THAT(refused("BF16", "[2,3]"), HasSubstr("expected 6 elements of 2"));
  // 2^62 elements of 4 bytes are 0 bytes in 64 bits.
  EXPECT_THAT(refused("F32", "[4611686018427387904]"), HasSubstr("expected 4611686018427387904 elements"));
}

TEST_F(CorruptSafetensors, RefusesOffsetsOutOfRange) {
  const auto refused = [&](const std::string& offsets) {
    return refusal_of_header(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":)" + offsets + "}}");
  };
  EXPECT_THAT(refused("[1,9]"), HasSubstr("ends at byte 9, the file has 8"));
  EXPECT_THAT(refused("[8,0]"), HasSubstr("two ascending numbers"));
  EXPECT_THAT(refused("[-8,0]"), HasSubstr("two ascending numbers"));
  EXPECT_THAT(refused("[0,8.5]"), HasSubstr("two ascending numbers"));
  EXPECT_THAT(refused("[18446744073709551608,18446744073709551616]"), HasSubstr("two ascending numbers"));
  EXPECT_THAT(refused("[9223372036854775799,9223372036854775807]"), HasSubstr("the file has 8"));
}

TEST_F(CorruptSafetensors, RefusesOverlapsGapsAndRests) {
  const auto refused = [&](const std::string& a, const std::string& b) {
    return refusal_of_header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a +
                             R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}");
  };
  EXPECT_TRUE(survives(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]},)"
                                         R"("b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
                                         "01234567")));
  EXPECT_THAT(refused("[0,4]", "[0,4]"), HasSubstr("\"b\": its data begins at byte 0, expected 4"));
  EXPECT_THAT(refused("[0,4]", "[3,7]"), HasSubstr("\"b\": its data begins at byte 3, expected 4"));
  EXPECT_THAT(refusal_of_header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})"),
              HasSubstr("\"a\": its data begins at byte 4, expected 0"));
  EXPECT_THAT(refusal_of_header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})"),
              HasSubstr("8 bytes of data, its tensors have 4"));
  EXPECT_THAT(refusal_of_header("{}"), HasSubstr("8 bytes of data, its tensors have 0"));
}

TEST_F(CorruptSafetensors, RefusesMetadataThatIsNotStrings) {
  EXPECT_THAT(refusal_of_header(R"({"__metadata__":3})"), HasSubstr("__metadata__ is not an object"));
  EXPECT_THAT(refusal_of_header(R"({"__metadata__":{"k":3}})"), HasSubstr("\"k\" is not a string"));
}

TEST_F(CorruptSafetensors, RefusesAFileCutOffAnywhere) {
  const std::string whole = valid();
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(survives(whole.substr(0, size))) << size;
}

TEST_F(CorruptSafetensors, RefusesBytesAfterTheEnd) { EXPECT_FALSE(survives(valid() + "x")); }

TEST_F(CorruptSafetensors, SurvivesEveryChangedByteOfTheHeader) {
  const std::string whole = valid();
  const std::size_t header_end = whole.find("  012345");
  for (std::size_t i = 0; i < header_end; ++i) {
    for (const unsigned flip : {0x01U, 0x02U, 0x10U, 0x20U, 0x80U, 0xffU}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ flip);
      survives(changed);
    }
  }
}

TEST_F(CorruptSafetensors, SurvivesBytesRemovedRepeatedAndReplacedAtRandom) {
  const std::string whole = valid();
  const std::size_t header_end = whole.find("  012345");
  const std::string interesting = "\"{}[],:-0189eE.\\ \n\x7f";
  Rng rng(1, RandomStream::synthetic_data);
  for (int round = 0; round < 2000; ++round) {
    std::string header = whole.substr(8, header_end - 8);
    for (std::uint32_t change = rng.below(4); change < 4; ++change) {
      const std::size_t at = rng.below(static_cast<std::uint32_t>(header.size()));
      const std::size_t length = std::min<std::size_t>(rng.below(12), header.size() - at);
      switch (rng.below(3)) {
        case 0:
          header.erase(at, length);
          break;
        case 1:
          header.insert(at, header.substr(at, length));
          break;
        default:
          header[at] = interesting[rng.below(static_cast<std::uint32_t>(interesting.size()))];
      }
      if (header.empty()) header = "{";
    }
    survives(safetensors_bytes(header, whole.substr(header_end)));
  }
}

}  // namespace
}  // namespace convmixer

#include "convmixer/io/pytorch_file.hpp"

#include "support/archive_bytes.hpp"
#include "support/error_of.hpp"
#include "support/stored_zip.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace convmixer {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using testing_support::archive_bytes;
using testing_support::error_of;
using testing_support::NamedBytes;
using testing_support::stored_zip;

// What pickle.dumps(..., protocol=2) writes, spelt out.
std::string text(const std::string& value) {
  return std::string("X") + static_cast<char>(value.size()) + std::string(3, '\0') + value;
}
std::string number(std::int64_t value) {
  if (value < 256) return std::string("K") + static_cast<char>(value);
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return "\x8a\x08" + bytes;
}
std::string global(const std::string& module, const std::string& name) { return "c" + module + "\n" + name + "\n"; }
std::string tuple(const std::vector<std::string>& items) {
  std::string all = "(";
  for (const std::string& item : items) all += item;
  return all + "t";
}
std::string tuple_of(const std::vector<std::int64_t>& numbers) {
  std::vector<std::string> items;
  for (const std::int64_t value : numbers) items.push_back(number(value));
  return tuple(items);
}
std::string dict(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string all = global("collections", "OrderedDict") + ")R(";
  for (const auto& [key, value] : entries) all += text(key) + value;
  return all + "u";
}
std::string pickled(const std::string& value) { return "\x80\x02" + value + "."; }

/// A tensor in the storage data/KEY.
struct Layout {
  std::string storage = "FloatStorage";
  std::string key = "0";
  int offset = 0;
  std::vector<std::int64_t> extents{};
  std::vector<std::int64_t> strides{};
};

std::string tensor(const Layout& layout) {
  const std::string id =
      tuple({text("storage"), global("torch", layout.storage), text(layout.key), text("cpu"), number(1)});
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple({id + "Q", number(layout.offset), tuple_of(layout.extents), tuple_of(layout.strides), "\x89",
                global("collections", "OrderedDict") + ")R"}) +
         "R";
}

template <typename Value>
std::string storage(const std::vector<Value>& values) {
  std::string bytes(values.size() * sizeof(Value), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

class PytorchFileTest : public testing::Test {
 protected:
  std::filesystem::path write(NamedBytes files) { return folder_.write("weights.pth", archive_bytes(files, "zip")); }
  /// torch.save of this object, with one storage of f32.
  std::filesystem::path saved(const std::string& object, const std::vector<float>& values = {1, 2, 3, 4, 5, 6}) {
    return write({{"weights/data.pkl", pickled(object)},
                  {"weights/byteorder", "little"},
                  {"weights/data/0", storage(values)},
                  {"weights/version", "3\n"}});
  }
  std::string refusal(const std::filesystem::path& path) {
    return error_of([&] { PytorchFile file(path); }).what();
  }

  testing_support::TemporaryFolder folder_;
};

std::vector<float> values_of(const TensorFile& file, const std::string& name) {
  const Shape shape = file.tensor(name).shape;
  std::vector<float> values(static_cast<std::size_t>(shape.count()));
  file.read(name, shape, values);
  return values;
}

TEST_F(PytorchFileTest, ReadsTheTensorsOfAStateDict) {
  const PytorchFile file(saved(dict({{"a.weight", tensor({.extents = {2, 2}, .strides = {2, 1}})},
                                     {"a.bias", tensor({.offset = 4, .extents = {2}, .strides = {1}})}})));
  EXPECT_EQ(file.tensors().size(), 2U);
  EXPECT_EQ(file.tensor("a.weight").shape, (Shape{2, 2}));
  EXPECT_THAT(values_of(file, "a.weight"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(values_of(file, "a.bias"), ElementsAre(5, 6));
  EXPECT_THAT(file.metadata(), IsEmpty());
}

TEST_F(PytorchFileTest, PutsTransposedAndSlicedTensorsInRowMajorOrder) {
  const PytorchFile file(saved(dict({{"transposed", tensor({.extents = {3, 2}, .strides = {1, 3}})},
                                     {"column", tensor({.offset = 1, .extents = {2}, .strides = {3}})}})));
  EXPECT_THAT(values_of(file, "transposed"), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(values_of(file, "column"), ElementsAre(2, 5));
}

TEST_F(PytorchFileTest, SharesStoragesAndCopiesTiedTensorsOnce) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
    entries.emplace_back(name, tensor({.extents = {2, 3}, .strides = {3, 1}}));
    entries.emplace_back(name + std::string(".t"), tensor({.extents = {3, 2}, .strides = {1, 3}}));
  }
  const PytorchFile file(saved(dict(entries)));
  EXPECT_THAT(values_of(file, "h"), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(values_of(file, "h.t"), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_EQ(file.tensor("a").bytes.data(), file.tensor("h").bytes.data());
  EXPECT_EQ(file.tensor("a.t").bytes.data(), file.tensor("h.t").bytes.data());
}

TEST_F(PytorchFileTest, RefusesTensorsThatWouldBeCopiedAgainAndAgain) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (int i = 0; i < 20; ++i)
    entries.emplace_back("w" + std::to_string(i), tensor({.offset = i, .extents = {40}, .strides = {2}}));
  const std::vector<float> values(100);
  EXPECT_THAT(
      refusal(saved(dict(entries), values)),
      HasSubstr("tensor \"w10\": it and others with gaps or in other orders hold more than 4 times their storage "
                "of 100 elements"));
}

TEST_F(PytorchFileTest, ReadsTheOtherTypes) {
  const std::string object =
      dict({{"half", tensor({.storage = "HalfStorage", .key = "1", .extents = {2}, .strides = {1}})},
            {"bf16", tensor({.storage = "BFloat16Storage", .key = "2", .extents = {1}, .strides = {1}})},
            {"count", tensor({.storage = "LongStorage", .key = "3"})}});
  const PytorchFile file(write({{"w/data.pkl", pickled(object)},
                                {"w/data/1", storage<std::uint16_t>({0x3C00, 0xC000})},
                                {"w/data/2", storage<std::uint16_t>({0x3F80})},
                                {"w/data/3", storage<std::int64_t>({1234567890123})}}));
  EXPECT_THAT(values_of(file, "half"), ElementsAre(1, -2));
  EXPECT_THAT(values_of(file, "bf16"), ElementsAre(1));
  EXPECT_THAT(file.read_int64("count"), ElementsAre(1234567890123));
  EXPECT_EQ(file.tensor("count").shape, Shape{});
}

TEST_F(PytorchFileTest, LooksIntoACheckpointAndPassesOverTheRest) {
  const std::string weights = dict({{"w", tensor({.extents = {1}, .strides = {1}})}});
  for (const char* key : {"state_dict", "model", "model_state_dict"}) {
    const std::string object =
        dict({{"epoch", number(7)},
              {"args", global("argparse", "Namespace") + ")\x81" + dict({{"lr", number(1)}}) + "b"},
              {key, weights},
              {"optimizer", dict({{"state", dict({})}})}});
    EXPECT_THAT(values_of(PytorchFile(saved(object)), "w"), ElementsAre(1)) << key;
  }
}

TEST_F(PytorchFileTest, RefusesMetadataThatIsNoObjectOfTexts) {
  const std::string object = dict({{"w", tensor({.extents = {1}, .strides = {1}})}});
  for (const char* json : {"{", "[]", "{\"epoch\": 7}"}) {
    const auto path =
        write({{"w/data.pkl", pickled(object)}, {"w/data/0", storage<float>({1})}, {"w/convmixer.json", json}});
    EXPECT_EQ(refusal(path), path.string() + ": its convmixer.json is not an object of texts") << json;
  }
}

TEST_F(PytorchFileTest, ReadsParameters) {
  const std::string parameter =
      global("torch._utils", "_rebuild_parameter") + tuple({tensor({.extents = {2}, .strides = {1}}), "\x88"}) + "R";
  EXPECT_THAT(values_of(PytorchFile(saved(dict({{"w", parameter}}))), "w"), ElementsAre(1, 2));
}

TEST_F(PytorchFileTest, RunsNothingThatThePickleAsksFor) {
  const std::filesystem::path made = folder_.path() / "made-by-a-pickle";
  const std::string call = global("os", "system") + tuple({text("touch " + made.string())}) + "R";
  const PytorchFile file(saved(dict({{"evil", call}, {"w", tensor({.extents = {1}, .strides = {1}})}})));
  EXPECT_EQ(file.tensors().size(), 1U);
  EXPECT_FALSE(std::filesystem::exists(made));
}

TEST_F(PytorchFileTest, RefusesTensorsThatDontFitTheirStorage) {
  const auto refused = [&](const Layout& layout) { return refusal(saved(dict({{"w", tensor(layout)}}))); };
  EXPECT_THAT(refused({.extents = {7}, .strides = {1}}),
              HasSubstr("tensor \"w\": shape (7): expected it to fit into its storage of 6 elements"));
  EXPECT_THAT(refused({.offset = 5, .extents = {2}, .strides = {1}}), HasSubstr("6 elements"));
  EXPECT_THAT(refused({.extents = {2, 2}, .strides = {5, 1}}), HasSubstr("6 elements"));
  EXPECT_THAT(refused({.extents = {100, 100}, .strides = {0, 0}}), HasSubstr("6 elements"));
  EXPECT_THAT(refused({.extents = {2}, .strides = {1, 1}}), HasSubstr("1 extents and 2 strides"));
  EXPECT_THAT(refused({.key = "9", .extents = {1}, .strides = {1}}), HasSubstr("data/\"9\", is missing"));
  EXPECT_THAT(refused({.storage = "DoubleStorage", .extents = {1}, .strides = {1}}), HasSubstr("DoubleStorage"));
}

TEST_F(PytorchFileTest, RefusesTensorsOfMoreElementsThanCanBeCountedByName) {
  constexpr std::int64_t kMany = std::int64_t{1} << 40;
  for (const Layout& layout : {Layout{.extents = {kMany, kMany}, .strides = {kMany, 1}},
                               Layout{.extents = {kMany, kMany, 0}, .strides = {0, 0, 0}}}) {
    const std::filesystem::path path = saved(dict({{"w", tensor(layout)}}));
    const Error error = error_of([&] { PytorchFile file(path); });
    EXPECT_EQ(error.kind(), ErrorKind::failure);
    EXPECT_THAT(error.what(), StartsWith(path.string() + ": tensor \"w\": shape (1099511627776, 1099511627776"));
    EXPECT_THAT(error.what(), EndsWith("): expected it to fit into its storage of 6 elements"));
  }
}

TEST_F(PytorchFileTest, RefusesWhatUnpacksToFarMoreThanItIs) {
  const std::string object = dict({{"w", tensor({.extents = {1}, .strides = {1}})}});
  const auto written = [&](std::size_t mebibytes) {
    return write({{"w/data.pkl", pickled(object)}, {"w/data/0", std::string(mebibytes << 20U, '\0')}});
  };
  EXPECT_THAT(values_of(PytorchFile(written(15)), "w"), ElementsAre(0));
  const std::filesystem::path path = written(17);
  ASSERT_LT(std::filesystem::file_size(path), 1U << 20U) << "zeros are deflated";
  EXPECT_EQ(refusal(path), path.string() +
                               ": w/data/0 in it is too large: expected at most 16777216 bytes in all that "
                               "is read of it");
}

TEST_F(PytorchFileTest, SaysWhatAnotherFileIs) {
  EXPECT_THAT(refusal(saved(number(1))), HasSubstr("expected a state_dict"));
  EXPECT_THAT(refusal(saved(dict({{"epoch", number(1)}}))), HasSubstr("a state_dict without tensors"));
  EXPECT_THAT(refusal(write({{"w/constants.pkl", ""}, {"w/data.pkl", ""}})), HasSubstr("TorchScript"));
  EXPECT_THAT(refusal(write({{"photo.png", "x"}})), HasSubstr("torch.save didn't write it"));
  EXPECT_THAT(refusal(write({{"w/data.pkl", "\x80\x02"}, {"w/byteorder", "big"}})), HasSubstr("big-endian"));
}

TEST_F(PytorchFileTest, NamesWhatPytorchWroteThatIsNoStateDict) {
  const auto refused = [&](const char* name) {
    return refusal(std::filesystem::path(CONVMIXER_SOURCE_DIR "/tests/golden/pytorch") / name);
  };
  EXPECT_THAT(refused("whole.pth"), HasSubstr("a whole object of class \"__main__.ConvMixer\""));
  EXPECT_THAT(refused("whole_checkpoint.pth"), HasSubstr("a whole object of class \"__main__.ConvMixer\""));
  EXPECT_THAT(refused("old.pth"), HasSubstr("torch.save's format of before PyTorch 1.6"));
  EXPECT_THAT(refused("script.pth"), HasSubstr("a TorchScript archive"));
}

TEST_F(PytorchFileTest, RefusesAFileThatIsCutShortOrDamaged) {
  const std::filesystem::path path = saved(dict({{"w", tensor({.extents = {6}, .strides = {1}})}}));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  EXPECT_THAT(refusal(path), HasSubstr("weights.pth"));
  const std::string values = storage(std::vector<float>{1, 2, 3, 4, 5, 6});
  std::string bytes =
      stored_zip({{"weights/data.pkl", pickled(dict({{"w", tensor({.extents = {6}, .strides = {1}})}}))},
                  {"weights/data/0", values}});
  EXPECT_NO_THROW(PytorchFile(folder_.write("whole.pth", bytes)));
  ++bytes[bytes.find(values) + 1];
  EXPECT_THAT(refusal(folder_.write("damaged.pth", bytes)), AllOf(HasSubstr("damaged.pth"), HasSubstr("CRC")));
}

TEST_F(PytorchFileTest, IsToldByItsFirstBytes) {
  EXPECT_TRUE(is_pytorch_file(saved(dict({}))));
  EXPECT_TRUE(is_pytorch_file(CONVMIXER_SOURCE_DIR "/tests/golden/pytorch/old.pth"));
  EXPECT_FALSE(is_pytorch_file(folder_.write("other", "PK")));
  EXPECT_FALSE(is_pytorch_file(folder_.write("empty", "")));
}

}  // namespace
}  // namespace convmixer

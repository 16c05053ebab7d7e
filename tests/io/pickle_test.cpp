#include "io/pickle.hpp"

#include "data/sources/cifar_pickles.hpp"
#include "support/error_of.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;
using testing_support::little_endian;

std::span<const std::uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string refusal_of(const std::string& bytes) {
  return error_of([&] { Pickle(as_bytes(bytes), "here"); }).what();
}

std::int64_t integer_in(const std::string& bytes) {
  const Pickle pickle(as_bytes(bytes), "here");
  EXPECT_EQ(pickle.root().kind, PickleValue::Kind::integer);
  return pickle.root().integer;
}

TEST(Pickle, ReadsWholeNumbersOfEveryWidthAndSign) {
  EXPECT_EQ(integer_in("\x80\x02K\xff."), 255);
  EXPECT_EQ(integer_in("\x80\x02M\xff\xff."), 65535);
  EXPECT_EQ(integer_in("\x80\x02J\xfe\xff\xff\xff."), -2);
  EXPECT_EQ(integer_in("\x80\x02\x8a\x01\x80."), -128);
  EXPECT_EQ(integer_in("\x80\x02\x8a\x02\x80" + std::string(1, '\0') + "."), 128);
  EXPECT_EQ(integer_in("\x80\x02\x8a" + std::string(1, '\0') + "."), 0);
  EXPECT_EQ(integer_in("\x80\x02\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."), std::numeric_limits<std::int64_t>::max());
}

TEST(Pickle, FindsTheValuesOfADictionary) {
  const std::string bytes =
      "\x80\x02}(U\x01"
      "aK\x07U\x01"
      "b]K\x08"
      "au.";
  const Pickle pickle(as_bytes(bytes), "here");
  ASSERT_NE(pickle.find(pickle.root(), "a"), nullptr);
  EXPECT_EQ(pickle.find(pickle.root(), "a")->integer, 7);
  const PickleValue* list = pickle.find(pickle.root(), "b");
  ASSERT_NE(list, nullptr);
  ASSERT_EQ(list->items.size(), 1U);
  EXPECT_EQ(pickle[list->items[0]].integer, 8);
  EXPECT_EQ(pickle.find(pickle.root(), "c"), nullptr);
  EXPECT_EQ(pickle.find(*list, "a"), nullptr);
}

TEST(Pickle, NotesACallDownAndMakesNone) {
  const std::filesystem::path made = std::filesystem::path(testing::TempDir()) / "made-by-a-pickle";
  const std::string command = "touch " + made.string();
  // What pickle.dumps makes of an object whose __reduce__ returns (os.system, (command,)).
  const std::string bytes =
      "\x80\x02"
      "cposix\nsystem\nX" +
      little_endian(command.size(), 4) + command + "\x85R.";
  const Pickle pickle(as_bytes(bytes), "here");
  EXPECT_EQ(pickle.root().kind, PickleValue::Kind::call);
  EXPECT_EQ(pickle[pickle.root().items[0]].text, "posix");
  EXPECT_EQ(pickle[pickle.root().items[0]].name, "system");
  EXPECT_FALSE(std::filesystem::exists(made));
}

TEST(Pickle, ReadsRealNumbers) {
  const std::string bytes("\x80\x02G\xbf\xf8\0\0\0\0\0\0.", 12);
  const Pickle pickle(as_bytes(bytes), "here");
  EXPECT_EQ(pickle.root().kind, PickleValue::Kind::real);
  EXPECT_EQ(pickle.root().real, -1.5);
}

TEST(Pickle, ReadsAnOrderedDictAsADict) {
  const std::string bytes =
      "\x80\x02"
      "ccollections\nOrderedDict\n)R(U\x01"
      "aK\x07u}b.";  // OrderedDict(a=7), its attributes empty
  const Pickle pickle(as_bytes(bytes), "here");
  ASSERT_NE(pickle.find(pickle.root(), "a"), nullptr);
  EXPECT_EQ(pickle.find(pickle.root(), "a")->integer, 7);
}

TEST(Pickle, NotesTheNameOfWhatIsKeptElsewhere) {
  const std::string bytes = "\x80\x02U\x03keyQ.";
  const Pickle pickle(as_bytes(bytes), "here");
  ASSERT_EQ(pickle.root().kind, PickleValue::Kind::persistent);
  EXPECT_EQ(pickle[pickle.root().items[0]].text, "key");
}

TEST(Pickle, PassesOverWhatAnObjectIsFilledWith) {
  const std::string bytes =
      "\x80\x02"
      "cargparse\nNamespace\n)\x81(U\x01"
      "aK\x07u.";
  const Pickle pickle(as_bytes(bytes), "here");
  EXPECT_EQ(pickle.root().kind, PickleValue::Kind::call);
  EXPECT_EQ(pickle.root().items.size(), 2U);
}

TEST(Pickle, RefusesOtherOpcodes) {
  for (const char* opcodes : {"\x80\x02"
                              "I1\n.",
                              "\x80\x02"
                              "iposix\nsystem\n.",
                              "\x80\x02"
                              "Pabc\n.",
                              "\x80\x02\x82\x01.", "\x80\x02o.", "\x80\x05\x97."})
    EXPECT_THAT(refusal_of(opcodes), HasSubstr("here: no readable pickle: opcode")) << opcodes;
}

TEST(Pickle, NamesTheByteOfTheDamage) {
  EXPECT_EQ(refusal_of("\x80\x02K\x01K"), "here: no readable pickle: it is cut off, at byte 4");
  EXPECT_THAT(refusal_of("\x80\x09."), HasSubstr("an unknown protocol, at byte 0"));
  EXPECT_THAT(refusal_of("\x80\x02K\x01.x"), HasSubstr("bytes follow the end"));
}

TEST(Pickle, RefusesWhatTheStackCannotGive) {
  for (const char* opcodes :
       {".", "K\x01K\x02.", "\x85.", "e.", "(e.", "](.", "a.", "]a.", "K\x01(a.", "h\x01.", "}K\x01s.", "}(K\x01u.",
        "K\x01"
        "b.",
        "]K\x01"
        "b.",
        "]]s.", "K\x01K\x01\x93.", "R.", "q\x01."})
    EXPECT_THAT(refusal_of(opcodes), HasSubstr("no readable pickle")) << opcodes;
}

TEST(Pickle, RefusesToBeMadeHuge) {
  EXPECT_THAT(refusal_of(std::string(2000000, 'N')), HasSubstr("more values"));
  EXPECT_THAT(refusal_of(std::string(2000000, '(')), HasSubstr("more marks"));
  EXPECT_THAT(refusal_of("Nr\xff\xff\xff\xff."), HasSubstr("more values"));
  EXPECT_THAT(refusal_of("X\xff\xff\xff\xff."), HasSubstr("cut off"));
  EXPECT_THAT(refusal_of("\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), HasSubstr("cut off"));
  // A list appended to itself thousands of times over.
  std::string doubling = "]q\x01(";
  for (int i = 0; i < 1100000; ++i) doubling += "h\x01";
  EXPECT_THAT(refusal_of(doubling + "e."), HasSubstr("more values"));
}

}  // namespace
}  // namespace convmixer

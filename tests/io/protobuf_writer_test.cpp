#include "io/protobuf_writer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>

namespace convmixer {
namespace {

std::string bytes_of(int field, std::int64_t value) {
  ProtobufMessage message;
  message.add_int(field, value);
  return message.bytes();
}

// The examples of https://protobuf.dev/programming-guides/encoding/.
TEST(ProtobufMessage, WritesVarintsSevenBitsAtATime) {
  EXPECT_EQ(bytes_of(1, 150), "\x08\x96\x01");
  EXPECT_EQ(bytes_of(1, 127), "\x08\x7f");
  EXPECT_EQ(bytes_of(1, 128), "\x08\x80\x01");
  EXPECT_EQ(bytes_of(1, 0), std::string("\x08\0", 2));
  EXPECT_EQ(bytes_of(1, -2), "\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
}

TEST(ProtobufMessage, WritesKeysOfMoreThanFifteenFieldsInTwoBytes) { EXPECT_EQ(bytes_of(20, 1), "\xa0\x01\x01"); }

TEST(ProtobufMessage, WritesTextsAfterTheirLength) {
  ProtobufMessage message;
  message.add_text(2, "testing");
  EXPECT_EQ(message.bytes(), "\x12\x07testing");
}

TEST(ProtobufMessage, WritesMessagesAsTheirBytes) {
  ProtobufMessage inner;
  inner.add_int(1, 150);
  ProtobufMessage outer;
  outer.add_message(3, inner);
  EXPECT_EQ(outer.bytes(), "\x1a\x03\x08\x96\x01");
}

TEST(ProtobufMessage, WritesFloatsInFourBytesLeastSignificantFirst) {
  ProtobufMessage message;
  message.add_float(2, 1.0F);
  EXPECT_EQ(message.bytes(), std::string("\x15\0\0\x80\x3f", 5));
}

TEST(ProtobufMessage, WritesDoublesInEightBytesLeastSignificantFirst) {
  ProtobufMessage message;
  message.add_double(1, 1.0);
  EXPECT_EQ(message.bytes(), std::string("\x09\0\0\0\0\0\0\xf0\x3f", 9));
}

TEST(ProtobufMessage, WritesRepeatedDoublesPackedAndNothingForNone) {
  ProtobufMessage message;
  message.add_doubles(6, {});
  EXPECT_EQ(message.bytes(), "");
  message.add_doubles(6, std::array{1.0, -2.0});
  EXPECT_EQ(message.bytes(), std::string("\x32\x10\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0", 18));
}

TEST(ProtobufMessage, WritesRepeatedNumbersOneByOne) {
  ProtobufMessage message;
  message.add_ints(1, std::array<std::int64_t, 2>{3, 270});
  EXPECT_EQ(message.bytes(), "\x08\x03\x08\x8e\x02");
}

}  // namespace
}  // namespace convmixer

#include "io/tensor_list.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convmixer {
namespace {

TEST(TensorList, NamesEveryTensorInTheOrderInWhichTheyCame) {
  TensorList list;
  EXPECT_TRUE(list.empty());
  list.add("head.weight", " (3, 24)");
  list.add("fc");
  EXPECT_EQ(list.text(), "head.weight (3, 24), fc");
  EXPECT_EQ(list.size(), 2U);
}

TEST(TensorList, PutsNamesThatDifferInANumberTogether) {
  TensorList list;
  for (const int block : {0, 1, 2, 5, 9, 10}) {
    list.add(fmt::format("blocks.{}.1.weight", block));
    list.add(fmt::format("blocks.{}.1.bias", block));
  }
  list.add("0.weight");
  EXPECT_EQ(list.text(), "blocks.0-2,5,9-10.1.weight, blocks.0-2,5,9-10.1.bias, 0.weight");
}

TEST(TensorList, KeepsThoseApartOfWhichOtherThingsAreSaid) {
  TensorList list;
  list.add("blocks.0.bias", " (3)");
  list.add("blocks.1.bias", " (3)");
  list.add("blocks.2.bias", " (4)");
  EXPECT_EQ(list.text(), "blocks.0-1.bias (3), blocks.2.bias (4)");
}

TEST(TensorList, LeavesNumbersAsTheyAreWritten) {
  TensorList list;
  list.add("a.00.b");
  list.add("a.-1.b");
  list.add("a.99999999999999999999.b");
  list.add("..");
  EXPECT_EQ(list.text(), "a.00.b, a.-1.b, a.99999999999999999999.b, ..");
}

TEST(TensorList, EndsWithHowManyMoreThereAre) {
  TensorList list;
  for (int i = 0; i < 1000; ++i) list.add(fmt::format("name-{}", i));
  EXPECT_EQ(list.text(20), "name-0, name-1, name-2 and 997 more");
  EXPECT_LT(list.text().size(), 500U);
}

TEST(TensorList, EndsWithHowManyMoreThereAreOfUnlikeNames) {
  TensorList list;
  for (std::size_t length = 1; length <= 150; ++length) list.add(std::string(length, 'x'));
  EXPECT_THAT(list.text(100'000), testing::EndsWith(" and 50 more"));
}

TEST(TensorList, IsOneLineWhateverTheNames) {
  TensorList list;
  list.add("a\nb\x1b\xff");
  list.add(std::string(100'000, 'x'));
  EXPECT_EQ(list.text().find_first_of("\n\x1b\xff"), std::string::npos);
  EXPECT_LT(list.text().size(), 200U);
}

}  // namespace
}  // namespace convmixer

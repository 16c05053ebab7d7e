#include "convmixer/core/plural.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace convmixer {
namespace {

TEST(Plural, IsOfEveryNumberButOne) {
  EXPECT_EQ(plural(1, "step"), "step");
  for (const int count : {0, 2, 21, -1}) EXPECT_EQ(plural(count, "step"), "steps") << count;
  EXPECT_EQ(plural(1.0F, "epoch"), "epoch");
  EXPECT_EQ(plural(0.5F, "epoch"), "epochs");
}

TEST(Plural, MayBeIrregular) {
  EXPECT_EQ(plural(std::int64_t{1}, "class", "classes"), "class");
  EXPECT_EQ(plural(std::int64_t{2}, "class", "classes"), "classes");
}

TEST(Counted, PutsTheNumberFirst) {
  EXPECT_EQ(counted(1, "thread"), "1 thread");
  EXPECT_EQ(counted(3, "batch", "batches"), "3 batches");
}

}  // namespace
}  // namespace convmixer

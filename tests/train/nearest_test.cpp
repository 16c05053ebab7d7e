#include "convmixer/train/nearest.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace convmixer {
namespace {

const std::vector<std::string> kKeys{"dim", "depth", "kernel-size", "patch-size", "lr", "epochs", "eval-batch-size"};

TEST(EditDistance, CountsInsertionsDeletionsSubstitutionsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kernel", "kernal"), 1U);
  EXPECT_EQ(edit_distance("depth", "depht"), 1U);
  EXPECT_EQ(edit_distance("epochs", "epoch"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("ca", "abc"), 3U);
}

TEST(Nearest, FindsTheKeyThatWasMeant) {
  EXPECT_EQ(nearest("kernal-size", kKeys), "kernel-size");
  EXPECT_EQ(nearest("kernel_size", kKeys), "kernel-size");
  EXPECT_EQ(nearest("Kernel-Size", kKeys), "kernel-size");
  EXPECT_EQ(nearest("kernel", kKeys), "kernel-size");
  EXPECT_EQ(nearest("depht", kKeys), "depth");
  EXPECT_EQ(nearest("epoch", kKeys), "epochs");
}

TEST(Nearest, FindsNothingWhenNothingComesNear) {
  EXPECT_EQ(nearest("momentum", kKeys), "");
  EXPECT_EQ(nearest("x", kKeys), "");
  EXPECT_EQ(nearest("", kKeys), "");
  EXPECT_EQ(nearest("dim", {}), "");
}

TEST(Suggestion, AsksOnlyWhenSomethingIsNear) {
  EXPECT_EQ(suggestion("dmi", kKeys), "; did you mean 'dim'?");
  EXPECT_EQ(suggestion("momentum", kKeys), "");
}

}  // namespace
}  // namespace convmixer

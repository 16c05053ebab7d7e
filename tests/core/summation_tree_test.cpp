// The order in which a batch's chunks are added up.
#include "core/summation_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace convmixer {
namespace {

/// "((0 1) (2 (3 4)))": the tree's definition.
std::string recursive(std::size_t begin, std::size_t end) {
  if (end - begin == 1) return std::to_string(begin);
  const std::size_t middle = (begin + end) / 2;
  return "(" + recursive(begin, middle) + " " + recursive(middle, end) + ")";
}

std::string with_a_stack(std::size_t leaves) {
  std::array<std::string, kMostPartialSums> stack;
  add_up_tree(
      leaves, [&](std::size_t leaf, std::size_t slot) { stack.at(slot) = std::to_string(leaf); },
      [&](std::size_t slot) { stack.at(slot) = "(" + stack.at(slot) + " " + stack.at(slot + 1) + ")"; });
  return stack[0];
}

TEST(SummationTree, HasTheOrderOfItsRecursionForAnyNumberOfLeaves) {
  EXPECT_EQ(with_a_stack(5), "((0 1) (2 (3 4)))");
  for (std::size_t leaves = 1; leaves <= kMostLeaves; ++leaves) {
    ASSERT_EQ(with_a_stack(leaves), recursive(0, leaves)) << leaves;
  }
}

TEST(SummationTree, NeedsAllSlotsOfTheStackForTheMostLeavesAlone) {
  const auto slots = [](std::size_t leaves) {
    std::size_t most = 0;
    add_up_tree(
        leaves, [&](std::size_t /*leaf*/, std::size_t slot) { most = std::max(most, slot + 1); },
        [](std::size_t /*slot*/) {});
    return most;
  };
  EXPECT_EQ(slots(1), 1U);
  EXPECT_EQ(slots(2), 2U);
  EXPECT_EQ(slots(128), 8U);
  EXPECT_EQ(slots(kMostLeaves), kMostPartialSums);
}

TEST(SummationTree, HoldsHalvesQuartersAndEighthsAsSubtrees) {
  for (const std::size_t leaves : {8U, 16U, 24U, 64U, 104U, 256U}) {
    const std::string whole = with_a_stack(leaves);
    for (const std::size_t parts : {2U, 4U, 8U}) {
      for (std::size_t part = 0; part < parts; ++part) {
        const std::string subtree = recursive(leaves / parts * part, leaves / parts * (part + 1));
        EXPECT_NE((" " + whole + " ").find(subtree), std::string::npos)
            << leaves << ", part " << part << " of " << parts;
      }
    }
  }
}

}  // namespace
}  // namespace convmixer

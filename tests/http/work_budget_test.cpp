#include "http/work_budget.hpp"

#include <gtest/gtest.h>

namespace convmixer::http {
namespace {

TEST(WorkBudget, LetsABurstPassAndThenAShare) {
  WorkBudget budget(0.2, 2.0, 10.0, 100.0);
  EXPECT_EQ(budget.seconds_to_rest(11.9, 100.0), 0.0);
  EXPECT_NEAR(budget.seconds_to_rest(12.5, 100.0), 2.5, 1e-9);  // half a second too much, at a fifth
  EXPECT_NEAR(budget.seconds_to_rest(12.5, 101.5), 1.0, 1e-9);
  EXPECT_EQ(budget.seconds_to_rest(12.5, 103.0), 0.0);
  EXPECT_NEAR(budget.seconds_to_rest(15.0, 1000.0), 2.5, 1e-9);  // no more than the burst was saved up
}

}  // namespace
}  // namespace convmixer::http

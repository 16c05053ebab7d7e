#include "convmixer/core/unsigned_nan.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>

namespace convmixer {
namespace {

TEST(UnsignedNan, IsNanWhateverItsSignAndAllElseIsAsItWas) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(fmt::format("{} {}", unsigned_nan(-nan), unsigned_nan(nan)), "nan nan");
  EXPECT_EQ(fmt::format("{:.4f}", unsigned_nan(-std::numeric_limits<double>::quiet_NaN())), "nan");
  EXPECT_EQ(fmt::format("{} {}", unsigned_nan(-1.5), unsigned_nan(-std::numeric_limits<double>::infinity())),
            "-1.5 -inf");
}

}  // namespace
}  // namespace convmixer

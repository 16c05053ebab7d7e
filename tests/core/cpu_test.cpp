#include "convmixer/core/cpu.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace convmixer {
namespace {

TEST(CpuInfo, NamesTheProcessorAndItsInstructions) {
  EXPECT_FALSE(cpu_info().model.empty());
  EXPECT_FALSE(cpu_info().instructions.empty());
}

#if defined(__x86_64__)
TEST(FlushDenormals, ChangesArithmeticOfTheCallingThreadAndItsLaterThreads) {
  const auto halve_smallest_normal = [] {
    volatile float value = 0x1p-126F;
    value = value * 0.5F;
    return value;
  };
  std::thread([&] {
    flush_denormals_to_zero();
    EXPECT_TRUE(flushes_denormals_to_zero());
    EXPECT_EQ(halve_smallest_normal(), 0.0F);
    std::thread([&] {
      EXPECT_TRUE(flushes_denormals_to_zero());
      EXPECT_EQ(halve_smallest_normal(), 0.0F);
    }).join();
  }).join();
  EXPECT_FALSE(flushes_denormals_to_zero());
  EXPECT_GT(halve_smallest_normal(), 0.0F);
}
#endif

}  // namespace
}  // namespace convmixer

#include "convmixer/core/cpu.hpp"

#include "support/temporary_folder.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

namespace convmixer {
namespace {

TEST(CpuInfo, NamesTheProcessorAndItsInstructions) {
  EXPECT_FALSE(cpu_info().model.empty());
  EXPECT_FALSE(cpu_info().instructions.empty());
}

/// Four processors with caches of their own at level 2, in pairs that share one of level 3.
void write_caches(const testing_support::TemporaryFolder& root) {
  for (int cpu = 0; cpu < 4; ++cpu) {
    const auto write = [&](int index, const char* type, int level, const char* size, const std::string& shared) {
      const std::string folder = fmt::format("sys/devices/system/cpu/cpu{}/cache/index{}/", cpu, index);
      root.write(folder + "type", type);
      root.write(folder + "level", fmt::format("{}\n", level));
      root.write(folder + "size", size);
      root.write(folder + "shared_cpu_list", shared);
    };
    write(0, "Instruction\n", 3, "900M\n", fmt::format("{}\n", cpu));
    write(1, "Unified\n", 2, "1024K\n", fmt::format("{}\n", cpu));
    write(2, "Unified\n", 3, "32768K\n", cpu < 2 ? "0-1\n" : "2-3\n");
  }
}

TEST(LastLevelCache, CountsEachSharedCacheOnce) {
  const testing_support::TemporaryFolder root;
  write_caches(root);
  EXPECT_EQ(last_level_cache_bytes(root.path()), std::size_t{2} * 32 * 1024 * 1024);
}

TEST(LastLevelCache, IsGuessedWhereNobodySays) {
  const testing_support::TemporaryFolder root;
  EXPECT_EQ(last_level_cache_bytes(root.path()), std::size_t{32} << 20);
}

#if defined(__x86_64__)
TEST(FlushDenormals, ChangesArithmeticOfTheCallingThreadAndItsLaterThreads) {
  const auto halve_smallest_normal = [] {
    volatile float value = 0x1p-126F;
    value = value * 0.5F;
    return value;
  };
  const bool before = flushes_denormals_to_zero();  // where an earlier test of this process has made an engine
  std::thread([&] {
    flush_denormals_to_zero();
    EXPECT_TRUE(flushes_denormals_to_zero());
    EXPECT_EQ(halve_smallest_normal(), 0.0F);
    std::thread([&] {
      EXPECT_TRUE(flushes_denormals_to_zero());
      EXPECT_EQ(halve_smallest_normal(), 0.0F);
    }).join();
  }).join();
  EXPECT_EQ(flushes_denormals_to_zero(), before);
  EXPECT_EQ(halve_smallest_normal() > 0.0F, !before);
}
#endif

}  // namespace
}  // namespace convmixer

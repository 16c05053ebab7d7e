#include "convmixer/core/process_memory.hpp"

#include "convmixer/core/error.hpp"
#include "support/temporary_folder.hpp"

#include <gtest/gtest.h>

namespace convmixer {
namespace {

TEST(ProcessMemory, IsWhatTheSystemSays) {
  const testing_support::TemporaryFolder folder;
  const auto status =
      folder.write("status", "Name:\tconvmixer\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t1\n");
  EXPECT_EQ(process_memory(status).resident, 1024 * 1024);
  EXPECT_EQ(process_memory(status).peak, 2048 * 1024);
  EXPECT_THROW((void)process_memory(folder.write("none", "Name:\tconvmixer\n")), Error);
}

TEST(ProcessMemory, OfThisProcessIsThere) {
  const ProcessMemory memory = process_memory();
  EXPECT_GT(memory.resident, 1 << 20);
  EXPECT_GE(memory.peak, memory.resident);
}

}  // namespace
}  // namespace convmixer

#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"
#include "train/trainer_fixture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <random>
#include <thread>

namespace convmixer {
namespace {

namespace fs = std::filesystem;

/// Waits until a process has written the file anew.
void wait_for_write(const ToolProcess& process, const fs::path& file, fs::file_time_type before) {
  std::error_code missing;
  while (process.running()) {
    const auto time = fs::last_write_time(file, missing);
    if (!missing && time != before) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(ToolKill, ContinuesBitForBitHoweverOftenItIsKilled) {
  constexpr int kEpochs = 20;
  constexpr int kMostKills = 15;
  const testing_support::TemporaryFolder parent;
  const fs::path whole = parent.path() / "whole";
  const fs::path run = parent.path() / "run";
  // A state is saved after every step, so that many kills fall into writes.
  const std::vector<std::string> saving_often{"--save-interval", "0.000001"};
  ASSERT_EQ(run_tool(small_training(whole, kEpochs) + saving_often).status, 0);

  std::mt19937 random(1);
  std::uniform_int_distribution<int> microseconds(0, 30000);
  int kills = 0;
  for (int status = -1; status != 0;) {
    std::error_code missing;
    const auto before = fs::last_write_time(RunFolder{run}.state(), missing);
    ToolProcess process(small_training(run, kEpochs) + saving_often);
    if (kills < kMostKills) {
      wait_for_write(process, RunFolder{run}.state(), before);
      std::this_thread::sleep_for(std::chrono::microseconds(microseconds(random)));
      process.send(SIGKILL);
    }
    const ToolResult result = process.wait();
    ASSERT_TRUE(result.status == 0 || result.status == 128 + SIGKILL) << result.errors;
    if (result.status != 0) ++kills;
    status = result.status;
  }
  EXPECT_GE(kills, 3);
  expect_equal_runs(run, whole);
}

}  // namespace
}  // namespace convmixer

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

TEST(ToolKill, ContinuesBitForBitHoweverOftenItIsKilled) {
  constexpr int kEpochs = 60;
  constexpr int kMostKills = 12;
  const testing_support::TemporaryFolder parent;
  const auto whole = parent.path() / "whole";
  const auto run = parent.path() / "run";
  // Every millisecond or so a state is saved within an epoch too, so that many kills fall into writes.
  const std::vector<std::string> saving_often{"--save-interval", "0.00001"};
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(run_tool(small_training(whole, kEpochs) + saving_often).status, 0);
  const auto duration = std::chrono::steady_clock::now() - start;

  std::mt19937 random(1);
  std::uniform_real_distribution<double> moment(0.05, 0.4);
  int kills = 0;
  for (int status = -1; status != 0;) {
    ToolProcess process(small_training(run, kEpochs) + saving_often);
    if (kills < kMostKills) {
      std::this_thread::sleep_for(duration * moment(random));
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

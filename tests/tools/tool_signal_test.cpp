#include "support/image_bytes.hpp"
#include "support/temporary_folder.hpp"
#include "tools/tool_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

/// One signal ends the tool, whatever it is at.
class ToolSignal : public testing::Test {
 protected:
  void SetUp() override {
    struct sigaction action {};
    ::sigaction(SIGHUP, nullptr, &action);
    if (action.sa_handler == SIG_IGN) std::signal(SIGHUP, SIG_DFL);  // the tests are run under nohup
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  /// Sends the signal, once; the process must end soon.
  static ToolResult end(ToolProcess& process, int signal) {
    const auto latest = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    process.send(signal);
    while (process.running() && std::chrono::steady_clock::now() < latest)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_FALSE(process.running());
    process.send(SIGKILL);  // changes nothing where it has ended
    const ToolResult result = process.wait();
    EXPECT_EQ(result.status, 128 + signal);
    return result;
  }

  testing_support::TemporaryFolder folder_;
};

class ToolEachSignal : public ToolSignal, public testing::WithParamInterface<int> {};

TEST_P(ToolEachSignal, EndsADecodingAndLeavesNothingOfIt) {
  constexpr int kImages = 300;  // a second or more
  const fs::path image = folder_.write("photos/a/0.png", testing_support::plain_png(500, 500, 1, 2, 3));
  fs::create_directory(folder_.path() / "photos/b");
  for (int i = 1; i < kImages; ++i) {
    const std::string name = (i % 2 == 0 ? "photos/a/" : "photos/b/") + std::to_string(i) + ".png";
    fs::create_hard_link(image, folder_.path() / name);
  }
  ToolProcess process({"train", "--data", path("photos"), "--data-cache", path("cache"), "--image-size", "32", "--out",
                       path("run"), "--threads", "1"});
  ASSERT_TRUE(process.wait_for_output("decoding the 300 images"));
  EXPECT_THAT(end(process, GetParam()).errors, HasSubstr("convmixer: ended by SIG"));
  EXPECT_TRUE(fs::is_empty(folder_.path() / "cache"));
  EXPECT_FALSE(fs::exists(folder_.path() / "run"));
}

TEST_P(ToolEachSignal, EndsAWaitForAFile) {
  ASSERT_EQ(::mkfifo(path("never").c_str(), 0600), 0);
  ToolProcess process({"train", "--config", path("never")});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // long enough for most to have begun to wait
  const ToolResult result = end(process, GetParam());
  EXPECT_EQ(result.output, "");
}

INSTANTIATE_TEST_SUITE_P(Signals, ToolEachSignal, testing::Values(SIGINT, SIGTERM, SIGHUP, SIGUSR1),
                         [](const auto& instance) -> std::string {
                           if (instance.param == SIGUSR1) return "User";
                           return instance.param == SIGINT    ? "Interrupt"
                                  : instance.param == SIGTERM ? "Terminate"
                                                              : "HangUp";
                         });

// `| less` that waits for a key, a terminal under Ctrl-S.
TEST_F(ToolSignal, EndsATrainingWhoseReaderDoesNotRead) {
  const std::string pipe = path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  const std::array<char, 4096> filling{};
  while (::write(reader, filling.data(), filling.size()) > 0) continue;
  {
    ToolProcess process(small_training(path("run"), 1), {}, pipe);
    while (process.running() && !fs::exists(path("run") + "/metrics.jsonl"))
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // to where it prints, and waits
    ASSERT_TRUE(process.running());
    end(process, SIGTERM);
  }
  ::close(reader);
  // It has saved; the same command goes on.
  EXPECT_EQ(run_tool(small_training(path("run"), 1)).status, 0);
}

}  // namespace
}  // namespace convmixer

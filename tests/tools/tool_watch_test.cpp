#include "http/raw_client.hpp"
#include "tools/tool_process.hpp"
#include "tools/watched_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing_support::ask;

/// Of the address that is printed: "page      http://127.0.0.1:8686/".
std::uint16_t port_in(const std::string& output) {
  const std::size_t page = output.find("page ");
  const std::size_t colon = output.find(':', output.find("://", page) + 3);
  return static_cast<std::uint16_t>(std::stoi(output.substr(colon + 1)));
}

/// True as soon as the condition holds, false if it doesn't within 20 seconds.
template <typename Condition>
bool comes_true(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

/// Whether somebody listens.
bool answers(std::uint16_t port) { return testing_support::RawClient(port).connected(); }

std::string bytes_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

class ToolWatch : public testing::Test {
 protected:
  testing_support::WatchedFolder folder_;
};

TEST_F(ToolWatch, ServesRunsUntilASignalComes) {
  folder_.add_run("a");
  ToolProcess process({"watch", folder_.path().string(), "--port", "0"});
  ASSERT_TRUE(process.wait_for_output("Ctrl-C ends it"));
  const std::uint16_t port = port_in(process.output());
  EXPECT_THAT(ask(port, "/"), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("\"id\":\"a\"")));
  EXPECT_THAT(ask(port, "/", "Host: evil.example\r\n"), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(ask(port, "/a/config.ini"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(ask(port, "/../../etc/passwd"), StartsWith("HTTP/1.1 400 "));
  process.send(SIGINT);
  EXPECT_EQ(process.wait().status, 130);
}

TEST_F(ToolWatch, TakesAnotherPortUnlessOneIsAskedFor) {
  ToolProcess first({"watch", folder_.path().string(), "--port", "0"});
  ASSERT_TRUE(first.wait_for_output("Ctrl-C ends it"));
  const std::string port = std::to_string(port_in(first.output()));
  const ToolResult second = run_tool({"watch", folder_.path().string(), "--port", port});
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.errors, HasSubstr("port " + port + ": taken by another program"));
}

TEST_F(ToolWatch, AtAnotherAddressPrintsATokenThatIsNeeded) {
  ToolProcess process({"watch", folder_.path().string(), "--port", "0", "--host", "0.0.0.0"});
  ASSERT_TRUE(process.wait_for_output("Ctrl-C ends it"));
  EXPECT_THAT(process.output(), HasSubstr("/?token="));
  EXPECT_THAT(ask(port_in(process.output()), "/"), StartsWith("HTTP/1.1 403 "));
  const std::string token = process.output().substr(process.output().find("token=") + 6, 32);
  EXPECT_THAT(ask(port_in(process.output()), "/", "Host: a\r\nAuthorization: Bearer " + token + "\r\n"),
              StartsWith("HTTP/1.1 200 "));
}

TEST_F(ToolWatch, RefusesWhatCannotBeWatched) {
  EXPECT_THAT(run_tool({"watch", "/no/such/folder"}).errors, HasSubstr("/no/such/folder: no such folder"));
  EXPECT_EQ(run_tool({"watch", folder_.path().string(), "other"}).status, 2);
  EXPECT_EQ(run_tool({"watch", folder_.path().string(), "--host", "192.0.2.1"}).status, 2);
  EXPECT_EQ(run_tool({"watch", folder_.path().string(), "--port", "65536"}).status, 2);
}

TEST_F(ToolWatch, OpenedByATrainingEndsWithItAndChangesNoBit) {
  const fs::path plain = folder_.path() / "plain";
  const fs::path shown = folder_.path() / "shown";
  ASSERT_EQ(run_tool(small_training(plain)).status, 0);
  ToolProcess process(small_training(shown) + std::vector<std::string>{"--open"});
  ASSERT_TRUE(process.wait_for_output("it stays until the training ends"));
  const std::uint16_t port = port_in(process.output());
  const ToolResult result = process.wait();
  EXPECT_EQ(result.status, 0) << result.errors;
  EXPECT_THAT(result.output, AllOf(HasSubstr("/?run=shown\n          it stays until the training ends\n"),
                                   HasSubstr("the page ended with the training")));
  EXPECT_TRUE(comes_true([&] { return !answers(port); }));
  EXPECT_EQ(bytes_of(shown / "best.safetensors"), bytes_of(plain / "best.safetensors"));
  const ToolResult again = run_tool(small_training(shown) + std::vector<std::string>{"--open"});
  EXPECT_EQ(again.status, 0) << again.errors;
  EXPECT_THAT(again.output, AllOf(HasSubstr("no page: nothing was trained; 'convmixer watch "),
                                  Not(HasSubstr("it stays until the training ends"))));
}

TEST_F(ToolWatch, OpenedByATrainingShowsItAndEndsWhenItIsKilled) {
  ToolProcess process(small_training(folder_.path() / "long", 100000) + std::vector<std::string>{"--open"});
  ASSERT_TRUE(process.wait_for_output("epoch 1/"));
  const std::uint16_t port = port_in(process.output());
  EXPECT_THAT(ask(port, "/"), AllOf(HasSubstr("\"id\":\"long\""), HasSubstr("\"state\":\"running\"")));
  EXPECT_THAT(ask(port, "/run?id=long"), HasSubstr("\"eval_accuracy\":["));
  process.send(SIGKILL);
  (void)process.wait();
  // It stays a moment for the page that is open, which is told.
  EXPECT_TRUE(comes_true([&] {
    const std::string answer = ask(port, "/run?id=long");
    return answer.empty() || answer.find("\"state\":\"died\"") != std::string::npos;
  }));
}

TEST_F(ToolWatch, OpenedByATrainingTicksItWhateverItIsCalled) {
  folder_.add_run("other");
  ToolProcess process(small_training(folder_.path() / "50%", 100000) + std::vector<std::string>{"--open"});
  ASSERT_TRUE(process.wait_for_output("epoch 1/"));
  const std::string output = process.output();
  EXPECT_THAT(output, HasSubstr("/?run=50%2525\n"));
  EXPECT_THAT(ask(port_in(output), "/?run=50%2525"),
              AllOf(HasSubstr(R"("ticked":["50%25"])"), HasSubstr(R"("id":"50%25","name":"50%")"),
                    HasSubstr(R"("id":"other")")));
}

TEST_F(ToolWatch, OpenedByATrainingStopsWithIt) {
  ToolProcess process(small_training(folder_.path() / "long", 100000) + std::vector<std::string>{"--open"});
  ASSERT_TRUE(process.wait_for_output("epoch 1/"));
  process.send(SIGINT);
  const ToolResult result = process.wait();
  EXPECT_EQ(result.status, 130);
  EXPECT_THAT(result.output, HasSubstr("the page ended with the training"));
  EXPECT_TRUE(comes_true([&] { return !answers(port_in(result.output)); }));
}

TEST_F(ToolWatch, IsNotOpenedForADryRun) {
  const ToolResult result =
      run_tool(small_training(folder_.path() / "run") + std::vector<std::string>{"--open", "--dry-run"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.errors, HasSubstr("--open and --dry-run don't go together"));
}

}  // namespace
}  // namespace convmixer

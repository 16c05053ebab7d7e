#include "tools/tool_process.hpp"

#include "convmixer/core/file.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace convmixer {
namespace {

std::filesystem::path new_file() {
  std::string pattern = (std::filesystem::path(testing::TempDir()) / "convmixer-tool-XXXXXX").string();
  const int descriptor = ::mkstemp(pattern.data());
  EXPECT_GE(descriptor, 0) << pattern;
  ::close(descriptor);
  return pattern;
}

/// Only calls that are allowed between fork and exec.
[[noreturn]] void become(char* const* words, char* const* environment, const char* output, const char* errors) {
  const int out = ::open(output, O_WRONLY | O_APPEND);
  const int err = ::open(errors, O_WRONLY | O_APPEND);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::execve(words[0], words, environment);
  ::_exit(127);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

ToolProcess::ToolProcess(const std::vector<std::string>& words, const std::map<std::string, std::string>& environment,
                         const std::filesystem::path& output)
    : output_(output.empty() ? new_file() : output), errors_(new_file()) {
  std::vector<std::string> command{CONVMIXER_TOOL};
  command.insert(command.end(), words.begin(), words.end());
  // Threads of OpenMP that wait by spinning make a run ten times slower where other tests want the cores.
  std::vector<std::string> variables{"OMP_WAIT_POLICY=passive"};
  for (const auto& [name, value] : environment) variables.push_back(fmt::format("{}={}", name, value));
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    const std::string name = text.substr(0, text.find('='));
    if (!environment.contains(name) && name != "OMP_WAIT_POLICY") variables.push_back(text);
  }
  const std::vector<char*> arguments = pointers(command);
  const std::vector<char*> settings = pointers(variables);
  process_ = ::fork();
  if (process_ == 0) become(arguments.data(), settings.data(), output_.c_str(), errors_.c_str());
}

ToolProcess::~ToolProcess() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove(errors_, ignored);
  if (output_.string().starts_with(testing::TempDir())) std::filesystem::remove(output_, ignored);
}

void ToolProcess::send(int signal) const { ::kill(process_, signal); }

std::string ToolProcess::output() const { return read_text_file(output_); }

bool ToolProcess::running() const {
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT);
  return info.si_pid == 0;
}

bool ToolProcess::wait_for_output(const std::string& text) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < end) {
    const bool still_running = running();
    if (output().find(text) != std::string::npos) return true;
    if (!still_running) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

ToolResult ToolProcess::wait() {
  int status = 0;
  ::waitpid(process_, &status, 0);
  process_ = -1;
  const bool is_device = !std::filesystem::is_regular_file(output_);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), is_device ? "" : output(),
          read_text_file(errors_)};
}

ToolResult run_tool(const std::vector<std::string>& words, const std::map<std::string, std::string>& environment,
                    const std::filesystem::path& output) {
  return ToolProcess(words, environment, output).wait();
}

std::vector<std::string> small_training(const std::filesystem::path& folder, int epochs) {
  return {"train",
          "--out",
          folder.string(),
          "--train-images",
          "256",
          "--test-images",
          "100",
          "--dim",
          "16",
          "--depth",
          "2",
          "--kernel-size",
          "3",
          "--patch-size",
          "4",
          "--batch-size",
          "16",
          "--eval-batch-size",
          "50",
          "--epochs",
          fmt::format("{}", epochs),
          "--log-interval",
          "4",
          "--precision",
          "f32",
          "--threads",
          "1"};
}

std::vector<std::string> operator+(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace convmixer

/// The built tool, run as a process.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace convmixer {

struct ToolResult {
  int status = 0;  ///< of exit; 128 + number of the signal that ended it otherwise, as shells count
  std::string output;
  std::string errors;
};

/// A running `convmixer`, its output going to files.
class ToolProcess {
 public:
  /// `environment` is set besides the present one. Standard output goes to `output`, or into the result if empty.
  explicit ToolProcess(const std::vector<std::string>& words,
                       const std::map<std::string, std::string>& environment = {},
                       const std::filesystem::path& output = {});
  ~ToolProcess();
  ToolProcess(const ToolProcess&) = delete;
  ToolProcess& operator=(const ToolProcess&) = delete;

  void send(int signal) const;
  /// What was printed so far.
  [[nodiscard]] std::string output() const;
  [[nodiscard]] bool running() const;
  /// Waits until it is printed, at most a minute; false if the process ended or the time was up before.
  [[nodiscard]] bool wait_for_output(const std::string& text);
  [[nodiscard]] ToolResult wait();

 private:
  std::filesystem::path output_;
  std::filesystem::path errors_;
  pid_t process_ = -1;
};

/// Runs it to its end.
[[nodiscard]] ToolResult run_tool(const std::vector<std::string>& words,
                                  const std::map<std::string, std::string>& environment = {},
                                  const std::filesystem::path& output = {});

/// Options of a training that takes a moment: `epochs` epochs of 16 steps into `folder`. One thread, as more would only
/// wait for one another where tests run side by side; tests/train has the runs on two.
[[nodiscard]] std::vector<std::string> small_training(const std::filesystem::path& folder, int epochs = 2);

/// Both, one after the other.
[[nodiscard]] std::vector<std::string> operator+(std::vector<std::string> words, const std::vector<std::string>& more);

}  // namespace convmixer

/// The tool's commands. Each takes the words after its name and returns the process's exit status; errors are thrown.
#pragma once

#include "command_help.hpp"

#include <span>
#include <string>

namespace convmixer::tool {

struct Command {
  std::string name;
  std::string summary;
  int (*run)(std::span<const std::string> words);
  CommandHelp (*help)();
};

int train_command(std::span<const std::string> words);
int seeds_command(std::span<const std::string> words);
int launch_command(std::span<const std::string> words);
int eval_command(std::span<const std::string> words);
int predict_command(std::span<const std::string> words);
int export_command(std::span<const std::string> words);
int report_command(std::span<const std::string> words);
int runs_command(std::span<const std::string> words);
int compare_command(std::span<const std::string> words);
int info_command(std::span<const std::string> words);
int data_command(std::span<const std::string> words);
int watch_command(std::span<const std::string> words);

[[nodiscard]] CommandHelp train_help();
[[nodiscard]] CommandHelp seeds_help();
[[nodiscard]] CommandHelp launch_help();
[[nodiscard]] CommandHelp eval_help();
[[nodiscard]] CommandHelp predict_help();
[[nodiscard]] CommandHelp export_help();
[[nodiscard]] CommandHelp report_help();
[[nodiscard]] CommandHelp runs_help();
[[nodiscard]] CommandHelp compare_help();
[[nodiscard]] CommandHelp info_help();
[[nodiscard]] CommandHelp data_help();
[[nodiscard]] CommandHelp watch_help();

}  // namespace convmixer::tool

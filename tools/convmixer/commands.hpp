/// The tool's commands. Each takes the words after its name and returns the process's exit status; errors are thrown.
#pragma once

#include <span>
#include <string>

namespace convmixer::tool {

int train_command(std::span<const std::string> words);
int eval_command(std::span<const std::string> words);
int export_command(std::span<const std::string> words);
int info_command(std::span<const std::string> words);
int data_command(std::span<const std::string> words);

[[nodiscard]] std::string train_help();
[[nodiscard]] std::string eval_help();
[[nodiscard]] std::string export_help();
[[nodiscard]] std::string info_help();
[[nodiscard]] std::string data_help();

}  // namespace convmixer::tool

/// convmixer: trains and evaluates ConvMixers. Finds the command, and says in one line what went wrong.
#include "commands.hpp"
#include "completion.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/file.hpp"
#include "convmixer/core/program.hpp"
#include "convmixer/core/standard_streams.hpp"
#include "convmixer/dist/launched_ranks.hpp"
#include "convmixer/train/nearest.hpp"
#include "convmixer/train/stop_signal.hpp"
#include "man_page.hpp"
#include "output.hpp"
#include "version_text.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace convmixer;
using tool::Command;

const std::array<Command, 12>& commands() {
  static const std::array<Command, 12> all{{
      {"train", "train a network, or go on where its training was stopped", tool::train_command, tool::train_help},
      {"seeds", "train the same over several seeds: mean and deviation", tool::seeds_command, tool::seeds_help},
      {"launch", "train by several processes, on several sockets or machines", tool::launch_command, tool::launch_help},
      {"eval", "how good trained weights are on the test images", tool::eval_command, tool::eval_help},
      {"predict", "which classes images are of, by trained weights", tool::predict_command, tool::predict_help},
      {"export", "trained weights for other programs: ONNX, safetensors, PyTorch", tool::export_command,
       tool::export_help},
      {"runs", "runs in a folder: accuracy, time, state", tool::runs_command, tool::runs_help},
      {"compare", "in what runs differ, settings and results side by side", tool::compare_command, tool::compare_help},
      {"report", "a page of charts and tables about runs, in one HTML file", tool::report_command, tool::report_help},
      {"watch", "a page that shows runs while they are trained", tool::watch_command, tool::watch_help},
      {"data", "what a data set holds, and what the network will see of it", tool::data_command, tool::data_help},
      {"info", "this machine, and what a configuration will take", tool::info_command, tool::info_help},
  }};
  return all;
}

std::string overview() {
  std::string text = "convmixer " CONVMIXER_VERSION
                     ": trains ConvMixers and other image classifiers on CPUs\n\n"
                     "usage: convmixer COMMAND [--option value ...]\n\n";
  for (const Command& command : commands()) text += fmt::format("  {:<9}{}\n", command.name, command.summary);
  text +=
      "  help     this text; 'convmixer help train' lists a command's options\n\n"
      "'convmixer train' alone learns the built-in data set, no files needed. 'convmixer train --config FILE.ini'\n"
      "follows a configuration; each of its keys is an option as well.\n\n"
      "'convmixer help --man FOLDER' writes manual pages there, 'convmixer help --completion' a script for bash.\n\n"
      "exit status: 0 done; 1 failed; 2 wrong options or configuration; 128 + number of the signal that ended it\n";
  return text;
}

const Command& find_command(const std::string& name) {
  std::vector<std::string> names{"help"};
  for (const Command& command : commands()) {
    if (command.name == name) return command;
    names.push_back(command.name);
  }
  const std::string hint = suggestion(name, names);
  fail_usage("unknown command '{}'{}", name, hint.empty() ? "; 'convmixer help' lists them" : hint);
}

bool asks_for_help(const std::string& word) { return word == "--help" || word == "-h"; }

/// "help", and what may follow it.
void help(std::span<const std::string> topic) {
  if (topic.empty() || topic.front() == "help" || asks_for_help(topic.front())) {
    if (topic.size() > 1) fail_usage("unexpected '{}' after 'help {}'", topic[1], topic.front());
    tool::print(overview());
  } else if (topic.front() == "--completion") {
    if (topic.size() > 1) fail_usage("unexpected '{}' after 'help --completion'", topic[1]);
    tool::print(tool::bash_completion(commands()));
  } else if (topic.front() == "--man") {
    if (topic.size() < 2) fail_usage("option '--man' needs a value: the folder to write the manual pages to");
    if (topic.size() > 2) fail_usage("unexpected '{}' after the folder of the manual pages", topic[2]);
    for (const tool::ManPage& page : tool::man_pages(commands()))
      write_file_atomically(std::filesystem::path(topic[1]) / (page.name + ".1"), page.text);
  } else if (topic.size() > 1) {
    fail_usage("unexpected '{}' after 'help {}'", topic[1], topic.front());
  } else {
    tool::print(find_command(topic.front()).help().text);
  }
}

/// Whether these words are what several processes share.
bool is_training(std::span<const std::string> words) {
  return !words.empty() && words.front() == "train" && std::ranges::none_of(words, asks_for_help);
}

/// For commands that several processes would do several times over.
void require_alone(const std::string& command) {
  const Launch launch = find_launch();
  if (launch.ranks == 1) return;
  fail_usage("{}: started as {} processes by {}: expected one; 'train' is what several processes share", command,
             launch.ranks, launch.launcher);
}

int dispatch(std::span<const std::string> words) {
  if (!is_training(words) && !is_first_of_launch()) return 0;  // the status of all is the first one's
  if (words.empty()) {
    tool::print(overview());
    return 2;
  }
  const std::string& first = words.front();
  if (first == "--version" || first == "version") {
    if (words.size() > 1) fail_usage("unexpected '{}' after '{}'", words[1], first);
    tool::print(tool::version_text());
    return 0;
  }
  if (first == "help" || asks_for_help(first)) {
    help(words.subspan(1));
    return 0;
  }
  const Command& command = find_command(first);
  const auto options = words.subspan(1);
  if (std::any_of(options.begin(), options.end(), asks_for_help)) {
    tool::print(command.help().text);
    return 0;
  }
  if (command.name != "train") require_alone(command.name);
  return command.run(options);
}

}  // namespace

int main(int argc, char** argv) {
  guard_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);
  tell_of_signals(is_first_of_launch());
  const EndBySignal end_by_signal;
  const PauseBySignal pause_by_signal;
  try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const int status = dispatch(words);
    if (status == 0) require_output_written();
    return status;
  } catch (...) {
    return report("convmixer",
                  failure_in_flight("a smaller --micro-batch, --batch-size or --eval-batch-size needs less"));
  }
}

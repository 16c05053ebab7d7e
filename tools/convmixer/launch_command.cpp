#include "commands.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/core/threads.hpp"
#include "convmixer/dist/launched_ranks.hpp"
#include "convmixer/train/config.hpp"
#include "convmixer/train/option_parser.hpp"
#include "mpirun_line.hpp"
#include "output.hpp"
#include "run_mpirun.hpp"
#include "train_settings.hpp"
#include "typed_words.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <unistd.h>

namespace convmixer::tool {
namespace {

struct LaunchOptions {
  int ranks = 0;
  bool per_socket = false;
  bool per_numa = false;
  std::vector<std::string> hosts;
  std::filesystem::path mpirun = "mpirun";
  bool dry_run = false;
};

Option hosts_option(std::vector<std::string>& hosts) {
  return {.name = "hosts",
          .value_name = "A,B",
          .help = "machines to start them on, each alike; this one alone if not given",
          .expected = "names of machines with commas in between",
          .read =
              [&hosts](const std::string& text) {
                hosts.clear();
                for (std::size_t at = 0; at <= text.size();) {
                  const std::size_t end = std::min(text.find(',', at), text.size());
                  if (end == at || text[at] == '-') return false;
                  hosts.push_back(text.substr(at, end - at));
                  at = end + 1;
                }
                return true;
              },
          .write = [] { return std::string(); }};
}

std::vector<OptionGroup> launch_groups(LaunchOptions& options) {
  return {
      {"Launch",
       {integer_option("ranks", options.ranks, 0, 4096,
                       "processes on each machine; a power of two gives the bits of one process"),
        switch_option("per-socket", options.per_socket, "a process for each socket"),
        switch_option("per-numa", options.per_numa, "a process for each NUMA node; what is done if nothing is said"),
        hosts_option(options.hosts),
        path_option("mpirun", options.mpirun, "COMMAND", "of Open MPI, MPICH or Intel MPI"),
        switch_option("dry-run", options.dry_run, "only print the command")}}};
}

int ranks_of(const LaunchOptions& options) {
  if ((options.ranks > 0) + options.per_socket + options.per_numa > 1)
    fail_usage("--ranks, --per-socket and --per-numa don't go together");
  if (options.ranks > 0) return options.ranks;
  return options.per_socket ? sockets() : numa_nodes();
}

/// What `mpirun --version` prints.
std::string version_of(const std::string& mpirun) {
  const std::string command = as_typed({mpirun, "--version"}) + " 2>/dev/null";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string text;
  std::array<char, 4096> buffer;
  while (pipe) {
    const std::size_t read = std::fread(buffer.data(), 1, buffer.size(), pipe.get());
    if (read == 0) break;
    text.append(buffer.data(), read);
  }
  if (text.empty()) {
    fail(
        "{}: can't be run: expected the mpirun of Open MPI (Debian: openmpi-bin), MPICH or Intel MPI; --mpirun says "
        "where",
        mpirun);
  }
  return text;
}

/// Throws Error (usage) for options that `train` doesn't have, before several processes do.
void check_names_of_options(std::span<const std::string> words) {
  TrainOptions options;
  TrainConfig config;
  std::vector<OptionGroup> groups = config_options(config);
  groups.push_back(train_command_group(options));
  (void)parse_command_line(groups, words);
}

std::string own_program() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "convmixer" : program.string();
}

}  // namespace

CommandHelp launch_help() {
  LaunchOptions options;
  return command_help(
      "usage: convmixer launch [--option value ...] -- train [--option value ...]\n\n"
      "Starts processes that train together, by MPI: prints the mpirun command and runs it. Each takes its share of "
      "its\n"
      "machine's cores, and of every batch. 2, 4, 8, ... processes give the same weights as one, to the last bit.\n"
      "Ctrl-C finishes the step and saves, as it does in 'train'; mpirun alone would leave it a second (Open MPI).\n",
      launch_groups(options));
}

int launch_command(std::span<const std::string> words) {
  LaunchOptions options;
  const std::vector<OptionGroup> groups = launch_groups(options);
  const auto dashes = std::ranges::find(words, "--");
  const auto own = static_cast<std::size_t>(dashes - words.begin());
  const CommandLine line = parse_command_line(groups, words.first(own));
  assign(groups, line.settings);
  if (!line.arguments.empty())
    fail_usage("unexpected '{}'; expected '-- train ...' after launch's options", line.arguments.front());
  if (dashes == words.end() || dashes + 1 == words.end() || *(dashes + 1) != "train")
    fail_usage("launch: expected '-- train', with its options, after launch's");
  check_names_of_options(words.subspan(own + 2));

  MpirunLine mpirun;
  mpirun.program = options.mpirun.string();
  mpirun.kind = recognise_mpirun(version_of(mpirun.program));
  mpirun.ranks = ranks_of(options);
  mpirun.hosts = options.hosts;
  mpirun.is_root = ::geteuid() == 0;
  mpirun.oversubscribed = mpirun.ranks > static_cast<int>(cores_by_node().size());
  mpirun.command = {own_program()};
  mpirun.command.insert(mpirun.command.end(), dashes + 1, words.end());
  const std::vector<std::string> all = words_of(mpirun);
  print_line(as_typed(all));
  if (options.dry_run) return 0;
  if (mpirun.kind != Mpirun::intel) return run_mpirun(mpirun.kind, all);
  std::vector<char*> arguments;
  for (const std::string& word : all) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  fail("{}: can't be run: {}", mpirun.program, std::strerror(errno));
}

}  // namespace convmixer::tool

#include "commands.hpp"
#include "convmixer/core/error.hpp"
#include "convmixer/train/option_parser.hpp"
#include "http/server.hpp"
#include "output.hpp"
#include "watch/page_address.hpp"
#include "watch/watch_pages.hpp"

#include <filesystem>

namespace convmixer::tool {
namespace {

namespace fs = std::filesystem;

struct WatchOptions {
  int port = kWatchPort;
  std::string host;
  int depth = RunWatchOptions{}.depth;
};

Option address_option(const std::string& name, std::string& variable, const std::string& value_name,
                      const std::string& help) {
  return {.name = name,
          .value_name = value_name,
          .help = help,
          .expected = "an address",
          .read =
              [&variable](const std::string& text) {
                variable = text;
                return !text.empty();
              },
          .write = [&variable] { return variable; }};
}

std::vector<OptionGroup> watch_groups(WatchOptions& options) {
  return {
      {"Watch",
       {integer_option("port", options.port, 0, 65535,
                       "of the page's address; unless given, the next one that is free is taken; 0: any"),
        address_option("host", options.host, "ADDRESS",
                       "let other machines look: listen at this address of this one, 0.0.0.0 for all; who knows the "
                       "token in the printed address may read the page, which isn't encrypted on its way"),
        integer_option("depth", options.depth, 0, 20, "levels of folders in which runs are looked for")}}};
}

void print_where(const http::Server& server, const fs::path& folder) {
  print_line(fmt::format("watching the runs below {}", folder.native()));
  print_line(fmt::format("page      {}", server.address("/")));
  const std::string tunnel = server.is_local() ? tunnel_command(server.port()) : "";
  if (!tunnel.empty()) print_line(fmt::format("          from your own machine, first: {}", tunnel));
  if (!server.is_local())
    print_line("note: whoever has this address may read the page; its way over the network isn't encrypted");
  print_line("Ctrl-C ends it");
}

}  // namespace

CommandHelp watch_help() {
  WatchOptions options;
  return command_help(
      "usage: convmixer watch [FOLDER] [--port N] [--host ADDRESS]\n\n"
      "Serves a page that shows the runs below a folder (runs, or else the present one, unless given) as they are\n"
      "trained: which there are, how far they are, how long they will take, and the curves of those that are ticked.\n"
      "New runs and new points appear by themselves. Only this machine can open the page unless --host is given.\n"
      "Nothing is ever written, and no training is disturbed. Ctrl-C ends it.\n",
      watch_groups(options));
}

int watch_command(std::span<const std::string> words) {
  WatchOptions options;
  const std::vector<OptionGroup> groups = watch_groups(options);
  const CommandLine line = parse_command_line(groups, words);
  assign(groups, line.settings);
  if (line.arguments.size() > 1) fail_usage("unexpected '{}': one folder is watched", line.arguments[1]);
  std::error_code ignored;
  const fs::path usual = fs::is_directory("runs", ignored) ? "runs" : ".";
  const fs::path folder = line.arguments.empty() ? usual : fs::path(line.arguments.front());
  if (!fs::is_directory(folder, ignored)) fail("{}: no such folder: expected one with runs below it", folder.string());
  WatchPages pages(folder, {.depth = options.depth});
  const bool is_port_given = line.find("port") != nullptr;
  http::Server server({.host = options.host,
                       .port = static_cast<std::uint16_t>(options.port),
                       .ports_to_try = is_port_given ? 1 : kPortsToTry},
                      [&](const http::Request& request) { return pages.answer(request); });
  print_where(server, folder);
  server.run();
  return 0;
}

}  // namespace convmixer::tool

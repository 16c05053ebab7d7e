#include "watch/page_address.hpp"

#include "http/target.hpp"

#include <fmt/format.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <sstream>
#include <string_view>
#include <unistd.h>

namespace convmixer::tool {
namespace {

bool is_set(const char* variable) {
  const char* const value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

std::string user_name() {
  const passwd* const entry = ::getpwuid(::getuid());
  return entry == nullptr ? "" : fmt::format("{}@", entry->pw_name);
}

}  // namespace

std::string target_of_run(const std::string& id) { return "/?run=" + http::percent_encoded(id); }

std::string tunnel_command(std::uint16_t port) {
  const char* const connection = std::getenv("SSH_CONNECTION");
  if (connection == nullptr) return {};
  std::istringstream words(connection);  // "client's address, its port, server's address, its port"
  std::string word;
  std::string server;
  std::string server_port;
  words >> word >> word >> server >> server_port;
  if (server.find_first_not_of("0123456789abcdefABCDEF.:") != std::string::npos || server.empty()) return {};
  const std::string other_port =
      server_port == "22" || server_port.empty() || server_port.find_first_not_of("0123456789") != std::string::npos
          ? ""
          : fmt::format("-p {} ", server_port);
  return fmt::format("ssh {}-L {}:localhost:{} {}{}", other_port, port, port, user_name(), server);
}

void open_in_browser(const std::string& address) {
  const bool has_display = is_set("DISPLAY") || is_set("WAYLAND_DISPLAY");
  if (!has_display || is_set("SSH_CONNECTION")) return;
  std::string program = "xdg-open";  // follows BROWSER itself
  std::string argument = address;
  const std::array<char*, 3> words{program.data(), argument.data(), nullptr};
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&attributes);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    ::posix_spawn_file_actions_addopen(&files, stream, "/dev/null", O_RDWR, 0);
  sigset_t defaults;  // what is ignored stays so in a program that is started
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setpgroup(&attributes, 0);  // Ctrl-C here is not for the browser
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t process = 0;
  ::posix_spawnp(&process, program.c_str(), &files, &attributes, words.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
}

}  // namespace convmixer::tool

/// The way from a printed address to a page on somebody's screen.
#pragma once

#include "http/server.hpp"

#include <cstdint>
#include <string>

namespace convmixer::tool {

/// Where pages are served unless told otherwise, or at the next port that is free.
inline constexpr int kWatchPort = 8686;
inline constexpr int kPortsToTry = 100;

/// "/?run=a%20b", of a run by its id (run_id.hpp).
[[nodiscard]] std::string target_of_run(const std::string& id);

/// With ssh, the command that makes a page on this machine's loopback reachable from where the person sits:
/// "ssh -L 8686:localhost:8686 me@box"; empty without ssh.
[[nodiscard]] std::string tunnel_command(std::uint16_t port);

/// Shows the page in the person's browser, if there is a display here and nobody is at the other end of an ssh
/// connection; says nothing and waits for nothing.
void open_in_browser(const std::string& address);

}  // namespace convmixer::tool

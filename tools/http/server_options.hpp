/// Where a server is reached, what it may use, and what it answers.
#pragma once

#include "http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace convmixer::http {

struct ServerOptions {
  std::string host{};      ///< an address of this machine, or a name that leads to one; empty: loopback, IPv4 and IPv6
  std::uint16_t port = 0;  ///< 0: any that is free
  int ports_to_try = 1;    ///< the next ones are tried when one is taken
  std::size_t most_connections = 128;
  std::size_t most_header_bytes = 8192;
  double seconds_to_ask = 10.0;     ///< for a request's header, from the end of the answer before
  double seconds_to_answer = 60.0;  ///< for an answer to be taken
  double cpu_share = 0.2;           ///< of a core, over more than
  double cpu_burst = 2.0;           ///< ... so many seconds of CPU time
};

/// Answers a request. It is called on the server's thread, one request at a time; an exception becomes status 500.
using Handler = std::function<Response(const Request& request)>;

}  // namespace convmixer::http

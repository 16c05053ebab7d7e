/// A server of read-only web pages for the few people who look at them: HTTP/1.1, GET and HEAD, one thread.
///
/// Nothing a client does takes more than a bounded share of this machine: the number of connections (beyond it, the one
/// that has been idle the longest is closed), the size of a request's header, the time it may take to send it and to
/// take its answer, and the CPU time spent for all clients together. While nobody asks, nothing runs, no timer either.
#pragma once

#include "http/server_options.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace convmixer::http {

class Server {
 public:
  /// From here on clients may connect. Throws Error when the port is taken, and (usage) for an address that isn't one
  /// of this machine.
  Server(ServerOptions options, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept;
  /// Whether only this machine reaches it.
  [[nodiscard]] bool is_local() const noexcept;
  /// "http://127.0.0.1:8686" or "http://host:8686"; the path follows.
  [[nodiscard]] std::string origin() const;
  /// An address to open, with the token if it takes one: `target` is "/" or "/?run=a" or the like.
  [[nodiscard]] std::string address(const std::string& target) const;

  /// Serves until stop() is called; that may be from another thread, or from a handler.
  void run();
  void stop();
  /// Calls `ended`, on the server's thread, once the other end of a socket or pipe is closed; what is sent through it
  /// is thrown away. The descriptor stays the caller's, and open while the server lives.
  void when_closed(int descriptor, std::function<void()> ended);
  /// Calls `then` on the server's thread after so many seconds.
  void after(double seconds, std::function<void()> then);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convmixer::http

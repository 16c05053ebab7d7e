/// One client's connection. Only server.cpp and session.cpp see Boost.Beast.
#pragma once

#include "http/access.hpp"
#include "http/server_options.hpp"
#include "http/work_budget.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <array>
#include <chrono>
#include <list>
#include <memory>
#include <optional>

namespace convmixer::http {

class Session;

[[nodiscard]] inline std::chrono::nanoseconds duration(double seconds) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
}

/// What the connections of a server share.
struct Shared {
  ServerOptions options;
  Handler handler;
  Access access;
  WorkBudget budget;
  std::list<Session*> idle{};  ///< those that wait for a request, the longest first
  std::size_t connections = 0;
  bool ended = false;

  /// How long to rest before the next request or connection.
  [[nodiscard]] double seconds_to_rest() {
    return budget.seconds_to_rest(seconds_of(CLOCK_THREAD_CPUTIME_ID), seconds_of(CLOCK_MONOTONIC));
  }
};

/// Reads requests one after the other and answers them, until the client goes, is too slow or asks for what can't be.
/// It lives as long as an operation of its waits.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(boost::asio::ip::tcp::socket socket, Shared& shared);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start() { rest(); }
  /// Ends a session that waits.
  void close();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::empty_body>;

  /// Reads the next request once there is CPU time for it.
  void rest();
  void read();
  void answer(boost::beast::error_code error);
  [[nodiscard]] Response answer_to(const Parser& parser) const;
  void refuse(boost::beast::error_code error);
  template <typename Message>
  void write(std::shared_ptr<Message> message);
  void write(const Response& response, bool head_only, bool keep_alive);
  /// Closes after the client has read the last answer: what it still sends is thrown away for a moment.
  void linger();
  void drain();
  void leave_idle();

  boost::beast::tcp_stream stream_;
  boost::asio::steady_timer timer_;
  Shared& shared_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::optional<std::list<Session*>::iterator> idle_place_;
  std::array<char, 4096> drained_{};
  std::size_t drained_bytes_ = 0;
};

}  // namespace convmixer::http

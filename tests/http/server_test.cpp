#include "http/server.hpp"

#include "convmixer/core/error.hpp"
#include "http/raw_client.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <stdexcept>
#include <sys/resource.h>
#include <thread>
#include <utility>
#include <vector>

namespace convmixer::http {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing_support::ask;
using testing_support::body_of;
using testing_support::RawClient;

ServerOptions quick_options() { return {.seconds_to_ask = 60.0, .cpu_burst = 100.0}; }

Response hello(const Request& request) {
  if (request.path == "/fail") throw std::runtime_error("a secret");
  if (request.path == "/error") fail("what went wrong");
  if (request.path == "/large") return text_response(200, std::string(1 << 20, 'x'));
  if (request.path != "/") return text_response(404, "There is no such page.");
  return text_response(200, "hello " + request.value("name"));
}

/// A server on a thread of its own, until the end of the test.
class Serving {
 public:
  explicit Serving(const ServerOptions& options = quick_options())
      : server_(options, hello), thread_([this] { server_.run(); }) {}
  ~Serving() {
    server_.stop();
    thread_.join();
  }
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;

  [[nodiscard]] std::uint16_t port() const { return server_.port(); }
  [[nodiscard]] const Server& server() const { return server_; }

 private:
  Server server_;
  std::thread thread_;
};

TEST(HttpServer, AnswersGetAndHead) {
  const Serving serving;
  const std::string answer = ask(serving.port(), "/?name=you");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(body_of(answer), "hello you\n");
  const std::string head = ask(serving.port(), "/?name=you", "Host: localhost\r\n", "HEAD");
  EXPECT_THAT(head, AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Length: 10\r\n")));
  EXPECT_EQ(body_of(head), "");
  EXPECT_THAT(ask(serving.port(), "/other"), StartsWith("HTTP/1.1 404 "));
}

TEST(HttpServer, TellsBrowsersToTrustNothing) {
  const Serving serving;
  for (const char* target : {"/", "/other", "/fail", "/%00"})
    EXPECT_THAT(ask(serving.port(), target),
                AllOf(HasSubstr("Content-Security-Policy: default-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
                                "form-action 'none'\r\n"),
                      HasSubstr("Cache-Control: no-store\r\n"), HasSubstr("X-Content-Type-Options: nosniff\r\n"),
                      HasSubstr("Referrer-Policy: no-referrer\r\n")));
}

TEST(HttpServer, IsReadOnly) {
  const Serving serving;
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "SOMETHING"})
    EXPECT_THAT(ask(serving.port(), "/", "Host: localhost\r\n", method),
                AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n")))
        << method;
  // A body isn't read, and isn't taken for the next request.
  RawClient client(serving.port());
  client.send(
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 35\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(client.receive(), StartsWith("HTTP/1.1 405 "));
  EXPECT_TRUE(client.is_closed());
}

TEST(HttpServer, RefusesWhatIsNoRequest) {
  const Serving serving;
  const std::string host = "Host: localhost\r\n";
  EXPECT_THAT(ask(serving.port(), "/../etc/passwd"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask(serving.port(), "/%2e%2e/etc/passwd"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask(serving.port(), "/?name=%00"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask(serving.port(), std::string("/\0x", 3)), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask(serving.port(), "http://localhost/"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask(serving.port(), "/", ""), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask(serving.port(), "/", host + host), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask(serving.port(), "/", host + "Content-Length: 3\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask(serving.port(), "/", host + "Transfer-Encoding: chunked\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask(serving.port(), "/", host + "No colon\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(ask(serving.port(), "/", "Host: evil.example\r\n"), StartsWith("HTTP/1.1 403 "));
  RawClient client(serving.port());
  client.send("\x16\x03\x01\x02\x01\x01\x02\x03 a browser that tries TLS\r\n\r\n");
  EXPECT_THAT(client.receive(), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(body_of(ask(serving.port(), "/?name=you")), "hello you\n");
}

TEST(HttpServer, RefusesHeadersBeyond8KB) {
  const Serving serving;
  const std::string host = "Host: localhost\r\n";
  EXPECT_THAT(ask(serving.port(), "/", host + "X: " + std::string(7000, 'x') + "\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask(serving.port(), "/", host + "X: " + std::string(8192, 'x') + "\r\n"), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(ask(serving.port(), "/" + std::string(9000, 'x')), StartsWith("HTTP/1.1 431 "));
  RawClient client(serving.port());  // without end
  for (int i = 0; i < 4000 && client.send("X: " + std::string(4000, 'x') + "\r\n"); ++i) continue;
  EXPECT_EQ(body_of(ask(serving.port(), "/?name=you")), "hello you\n");
}

TEST(HttpServer, RefusesHeadersBeyondWhatItIsTold) {
  ServerOptions options = quick_options();
  options.most_header_bytes = 1000;
  const Serving serving(options);
  const std::string host = "Host: localhost\r\n";
  EXPECT_THAT(ask(serving.port(), "/", host + "X: " + std::string(800, 'x') + "\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask(serving.port(), "/", host + "X: " + std::string(1000, 'x') + "\r\n"),
              AllOf(StartsWith("HTTP/1.1 431 "), HasSubstr("longer than 1000 bytes")));
}

TEST(HttpServer, TellsNothingOfWhatFailedButErrors) {
  const Serving serving;
  EXPECT_THAT(ask(serving.port(), "/fail"), AllOf(StartsWith("HTTP/1.1 500 "), Not(HasSubstr("secret"))));
  EXPECT_THAT(ask(serving.port(), "/error"), AllOf(StartsWith("HTTP/1.1 500 "), HasSubstr("what went wrong")));
}

TEST(HttpServer, ClosesConnectionsOfSlowClients) {
  ServerOptions options = quick_options();
  options.seconds_to_ask = 0.1;
  const Serving serving(options);
  RawClient silent(serving.port());
  RawClient slow(serving.port());
  const auto begin = std::chrono::steady_clock::now();
  while (slow.send("G") && std::chrono::steady_clock::now() - begin < std::chrono::seconds(10))
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // each byte alone comes soon enough
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_TRUE(silent.is_closed());
}

TEST(HttpServer, ClosesConnectionsOfClientsThatReadNoAnswers) {
  ServerOptions options = quick_options();
  options.seconds_to_answer = 0.1;
  options.most_connections = 1;
  const Serving serving(options);
  const RawClient deaf(serving.port());
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";
  ASSERT_TRUE(deaf.send(requests));
  // While it is being answered there is no room for another.
  const auto begin = std::chrono::steady_clock::now();
  while (ask(serving.port(), "/").empty() && std::chrono::steady_clock::now() - begin < std::chrono::seconds(20))
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(15));
}

TEST(HttpServer, AnswersRequestsThatComeTogetherInTheirOrder) {
  const Serving serving;
  RawClient client(serving.port());
  std::string requests;
  for (int i = 0; i < 300; ++i) requests += fmt::format("GET /?name={} HTTP/1.1\r\nHost: localhost\r\n\r\n", i);
  std::thread sender([&] { client.send(requests); });
  for (int i = 0; i < 300; ++i) EXPECT_EQ(body_of(client.receive()), fmt::format("hello {}\n", i));
  sender.join();
}

TEST(HttpServer, HoldsNoMoreConnectionsThanItMay) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 4096);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const Serving serving;
  std::deque<RawClient> clients;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(clients.emplace_back(serving.port()).connected());
  // One that comes now is answered, the oldest have gone, and the youngest may still ask.
  EXPECT_EQ(body_of(ask(serving.port(), "/?name=you")), "hello you\n");
  EXPECT_TRUE(clients.front().is_closed());
  clients.back().send("GET /?name=last HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(body_of(clients.back().receive()), "hello last\n");
}

/// 4 ms of work or more, at a hundredth of a core.
TEST(HttpServer, WorksNoMoreThanItsShare) {
  ServerOptions options = quick_options();
  options.cpu_share = 0.01;
  options.cpu_burst = 0.001;
  const auto milliseconds_of = [&](const auto& ask_once) {
    const Serving serving(options);
    RawClient client(serving.port());
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 20; ++i) ask_once(client, serving.port());
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  };
  EXPECT_GT(milliseconds_of(
                [](RawClient&, std::uint16_t port) { EXPECT_THAT(ask(port, "/large"), StartsWith("HTTP/1.1 200 ")); }),
            200.0)
      << "for new clients";
  EXPECT_GT(milliseconds_of([](RawClient& client, std::uint16_t) {
              ASSERT_TRUE(client.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"));
              EXPECT_THAT(client.receive(), StartsWith("HTTP/1.1 200 "));
            }),
            200.0)
      << "for one that goes on asking";
}

TEST(HttpServer, TakesTheNextPortThatIsFree) {
  const Serving first;
  EXPECT_THAT(first.server().address("/"), fmt::format("http://127.0.0.1:{}/", first.port()));
  EXPECT_TRUE(first.server().is_local());
  ServerOptions options = quick_options();
  options.port = first.port();
  EXPECT_THROW(Server(options, hello), Error);
  options.ports_to_try = 50;
  const Server second(options, hello);
  EXPECT_GT(second.port(), first.port());
}

TEST(HttpServer, AtAnotherAddressAsksForAToken) {
  ServerOptions options = quick_options();
  options.host = "0.0.0.0";
  const Serving serving(options);
  EXPECT_FALSE(serving.server().is_local());
  const std::string address = serving.server().address("/?name=you");
  const std::string target = address.substr(address.find("/?"));
  EXPECT_THAT(ask(serving.port(), "/?name=you"), StartsWith("HTTP/1.1 403 "));
  const std::string answer = ask(serving.port(), target, "Host: box.example\r\n");
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 303 "), HasSubstr("Location: /?name=you\r\n")));
  const std::size_t cookie = answer.find("Set-Cookie: ") + 12;
  const std::string fields =
      "Host: box.example\r\nCookie: a=b; " + answer.substr(cookie, answer.find(';', cookie) - cookie) + "\r\n";
  EXPECT_EQ(body_of(ask(serving.port(), "/?name=you", fields)), "hello you\n");
}

TEST(HttpServer, AnswersAtTheAddressThatItNames) {
  ServerOptions options = quick_options();
  const std::vector<std::pair<const char*, in_addr_t>> hosts{
      {"", INADDR_LOOPBACK}, {"127.0.0.5", 0x7F000005}, {"127.2", 0x7F000002}, {"LOCALHOST", INADDR_LOOPBACK}};
  for (const auto& [host, at] : hosts) {
    options.host = host;
    const Serving serving(options);
    EXPECT_TRUE(serving.server().is_local());
    const std::string address = serving.server().address("/").substr(7);  // without "http://"
    const std::string field = "Host: " + address.substr(0, address.find('/')) + "\r\n";
    RawClient client(serving.port(), at);
    ASSERT_TRUE(client.send("GET / HTTP/1.1\r\n" + field + "\r\n"));
    EXPECT_THAT(client.receive(), StartsWith("HTTP/1.1 200 ")) << address;
    ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"));
    EXPECT_THAT(client.receive(), StartsWith("HTTP/1.1 403 ")) << address;
  }
}

TEST(HttpServer, RefusesAddressesThatAreNotThisMachines) {
  ServerOptions options = quick_options();
  for (const char* host : {"192.0.2.1", "nobody.invalid", "a b"}) {
    options.host = host;
    EXPECT_THROW(Server(options, hello), Error) << host;
  }
}

TEST(HttpServer, NoticesThatTheOtherEndOfAPipeIsClosed) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Server server(quick_options(), hello);
  server.when_closed(ends[0], [&] { server.after(0.01, [&] { server.stop(); }); });
  std::thread thread([&] { server.run(); });
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  EXPECT_EQ(body_of(ask(server.port(), "/?name=you")), "hello you\n");
  ::close(ends[1]);
  thread.join();
  ::close(ends[0]);
}

}  // namespace
}  // namespace convmixer::http

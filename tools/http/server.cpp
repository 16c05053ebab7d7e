#include "http/server.hpp"

#include "convmixer/core/error.hpp"
#include "http/session.hpp"
#include "http/target.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/host_name.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <unistd.h>
#include <utility>
#include <vector>

namespace convmixer::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Code = boost::system::error_code;

/// The addresses to listen at.
std::vector<asio::ip::address> addresses_of(const std::string& host, asio::io_context& context) {
  if (host.empty()) return {asio::ip::address_v4::loopback(), asio::ip::address_v6::loopback()};
  Code error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (!error) return {address};
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(host, "0", error);
  if (error || found.empty())
    fail_usage("--host {}: no address of this machine: {}", host, error ? error.message() : "unknown name");
  return {found.begin()->endpoint().address()};
}

/// Opens a socket at an address that others may connect to; nothing, and why, if that can't be.
std::optional<tcp::acceptor> listen(asio::io_context& context, const asio::ip::address& address, std::uint16_t port,
                                    Code& error) {
  tcp::acceptor acceptor(context);
  const tcp::endpoint endpoint(address, port);
  if (acceptor.open(endpoint.protocol(), error)) return std::nullopt;
  acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (address.is_v6()) acceptor.set_option(asio::ip::v6_only(!address.is_unspecified()), error);
  if (acceptor.bind(endpoint, error) || acceptor.listen(1024, error)) return std::nullopt;
  return acceptor;
}

bool is_taken(const Code& error) { return error == asio::error::address_in_use; }

}  // namespace

struct Server::Impl {
  Impl(ServerOptions options, Handler handler)
      : shared{.options = std::move(options),
               .handler = std::move(handler),
               .access = Access::local(),
               .budget = {0, 0, 0, 0}} {
    open();
    for (const tcp::acceptor& acceptor : acceptors) local &= acceptor.local_endpoint().address().is_loopback();
    if (!local) {
      shared.access = Access::by_token(random_token(), port);
    } else if (!shared.options.host.empty()) {
      shared.access = Access::local(host_in_addresses());
    }
  }

  /// The name that was given, or the address.
  [[nodiscard]] std::string host_in_addresses() const;

  /// Takes the first port that is free at all addresses.
  void open();
  [[nodiscard]] bool open_at(const std::vector<asio::ip::address>& addresses, std::uint16_t at, Code& error);
  void accept(tcp::acceptor& acceptor);
  void accept_later(tcp::acceptor& acceptor, double seconds);
  void take(tcp::socket socket);
  void wait_for_end();

  Shared shared;                // outlives the sessions, which end with the context
  asio::io_context context{1};  // before what lives in it
  std::vector<tcp::acceptor> acceptors;
  std::uint16_t port = 0;
  bool local = true;
  asio::steady_timer later{context};
  std::optional<asio::posix::stream_descriptor> other_end;
  std::function<void()> ended;
  std::array<char, 64> thrown_away{};
};

bool Server::Impl::open_at(const std::vector<asio::ip::address>& addresses, std::uint16_t at, Code& error) {
  std::vector<tcp::acceptor> opened;
  for (const asio::ip::address& address : addresses) {
    const std::uint16_t wanted = opened.empty() ? at : opened.front().local_endpoint().port();
    Code failure;
    std::optional<tcp::acceptor> acceptor = listen(context, address, wanted, failure);
    if (acceptor) {
      opened.push_back(std::move(*acceptor));
    } else if (opened.empty() || is_taken(failure)) {  // a machine without IPv6 has IPv4's loopback alone
      error = failure;
      return false;
    }
  }
  acceptors = std::move(opened);
  port = acceptors.front().local_endpoint().port();
  return true;
}

std::string Server::Impl::host_in_addresses() const {
  const std::string& host = shared.options.host;
  const asio::ip::address address = acceptors.front().local_endpoint().address();
  if (address.is_unspecified()) return asio::ip::host_name();
  Code error;
  const bool is_name = !host.empty() && (asio::ip::make_address(host, error), error);
  if (is_name) return host;
  return address.is_v6() ? fmt::format("[{}]", address.to_string()) : address.to_string();
}

void Server::Impl::open() {
  const std::vector<asio::ip::address> addresses = addresses_of(shared.options.host, context);
  const int first = shared.options.port;
  Code error;
  for (int i = 0; i < shared.options.ports_to_try && first + i <= 65535; ++i) {
    if (open_at(addresses, static_cast<std::uint16_t>(first + i), error)) return;
    if (!is_taken(error) && error != asio::error::access_denied) break;
  }
  const std::string host = shared.options.host;
  if (error == asio::error::make_error_code(asio::error::basic_errors::address_family_not_supported) ||
      error.value() == EADDRNOTAVAIL) {
    if (!host.empty()) fail_usage("--host {}: no address of this machine", host);
    fail("this machine's loopback address can't be listened at: {}", error.message());
  }
  if (is_taken(error) && shared.options.ports_to_try <= 1)
    fail("port {}: taken by another program: give another --port", first);
  if (is_taken(error))
    fail("ports {} to {}: all are taken by other programs: give another --port, or 0 for any that is free", first,
         std::min(first + shared.options.ports_to_try - 1, 65535));
  fail("port {}: can't be listened at: {}", first, error.message());
}

void Server::Impl::accept_later(tcp::acceptor& acceptor, double seconds) {
  auto timer = std::make_shared<asio::steady_timer>(context, duration(seconds));
  timer->async_wait([this, timer, &acceptor](Code error) {
    if (!error) accept(acceptor);
  });
}

void Server::Impl::accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([this, &acceptor](Code error, tcp::socket socket) {
    if (shared.ended) return;
    constexpr double kOutOfDescriptors = 0.2;  // or memory: soon there may be some again
    if (error) return accept_later(acceptor, kOutOfDescriptors);
    take(std::move(socket));
    const double seconds = shared.seconds_to_rest();
    if (seconds > 0) return accept_later(acceptor, seconds);
    accept(acceptor);
  });
}

void Server::Impl::take(tcp::socket socket) {
  if (shared.connections >= shared.options.most_connections) {
    if (shared.idle.empty()) return;  // all are being answered: the new one is closed
    shared.idle.front()->close();
  }
  std::make_shared<Session>(std::move(socket), shared)->start();
}

void Server::Impl::wait_for_end() {
  other_end->async_read_some(asio::buffer(thrown_away), [this](Code error, std::size_t) {
    if (error == asio::error::operation_aborted) return;
    if (!error) return wait_for_end();
    ended();
  });
}

Server::Server(ServerOptions options, Handler handler)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(handler))) {}

Server::~Server() {
  impl_->shared.ended = true;
  if (impl_->other_end) impl_->other_end->release();
}

std::uint16_t Server::port() const noexcept { return impl_->port; }

bool Server::is_local() const noexcept { return impl_->local; }

std::string Server::origin() const { return fmt::format("http://{}:{}", impl_->host_in_addresses(), impl_->port); }

std::string Server::address(const std::string& target) const {
  const std::string& token = impl_->shared.access.token();
  if (token.empty()) return origin() + target;
  return fmt::format("{}{}{}token={}", origin(), target, target.find('?') == std::string::npos ? '?' : '&', token);
}

void Server::run() {
  const ServerOptions& options = impl_->shared.options;
  impl_->shared.budget = WorkBudget(options.cpu_share, options.cpu_burst, seconds_of(CLOCK_THREAD_CPUTIME_ID),
                                    seconds_of(CLOCK_MONOTONIC));
  for (tcp::acceptor& acceptor : impl_->acceptors) impl_->accept(acceptor);
  impl_->context.run();
}

void Server::stop() {
  asio::post(impl_->context, [this] {
    impl_->shared.ended = true;
    impl_->context.stop();
  });
}

void Server::when_closed(int descriptor, std::function<void()> ended) {
  impl_->ended = std::move(ended);
  impl_->other_end.emplace(impl_->context, descriptor);
  impl_->wait_for_end();
}

void Server::after(double seconds, std::function<void()> then) {
  impl_->later.expires_after(duration(seconds));
  impl_->later.async_wait([then = std::move(then)](Code error) {
    if (!error) then();
  });
}

}  // namespace convmixer::http

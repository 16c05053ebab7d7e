#include "http/session.hpp"

#include "convmixer/core/error.hpp"
#include "http/target.hpp"

#include <boost/asio/error.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <chrono>
#include <exception>
#include <string_view>
#include <utility>

namespace convmixer::http {
namespace {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;

std::string_view text_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

template <typename Body>
void set_fields(bhttp::response<Body>& message, const Response& response) {
  message.result(static_cast<unsigned>(response.status));
  message.set(bhttp::field::content_type, response.type);
  message.set(bhttp::field::cache_control, "no-store");
  message.set("Content-Security-Policy", response.policy);
  message.set("X-Content-Type-Options", "nosniff");
  message.set("X-Frame-Options", "DENY");
  message.set("Referrer-Policy", "no-referrer");
  message.set("Cross-Origin-Resource-Policy", "same-origin");
  message.set("Cross-Origin-Opener-Policy", "same-origin");
  if (response.status == 405) message.set(bhttp::field::allow, "GET, HEAD");
  if (!response.location.empty()) message.set(bhttp::field::location, response.location);
  if (!response.set_cookie.empty()) message.set(bhttp::field::set_cookie, response.set_cookie);
}

}  // namespace

Session::Session(boost::asio::ip::tcp::socket socket, Shared& shared)
    : stream_(std::move(socket)),
      timer_(stream_.get_executor()),
      shared_(shared),
      buffer_(shared.options.most_header_bytes + 1024) {
  ++shared_.connections;
}

Session::~Session() {
  leave_idle();
  --shared_.connections;
}

void Session::close() {
  leave_idle();
  timer_.cancel();
  beast::error_code ignored;
  stream_.socket().close(ignored);
}

void Session::leave_idle() {
  if (idle_place_) shared_.idle.erase(*idle_place_);
  idle_place_.reset();
}

void Session::rest() {
  if (shared_.ended) return;
  idle_place_ = shared_.idle.insert(shared_.idle.end(), this);
  const double seconds = shared_.seconds_to_rest();
  if (seconds <= 0) return read();
  timer_.expires_after(duration(seconds));
  timer_.async_wait([self = shared_from_this()](beast::error_code error) {
    if (!error) self->read();
  });
}

void Session::read() {
  if (!stream_.socket().is_open()) return;
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(shared_.options.most_header_bytes));
  stream_.expires_after(duration(shared_.options.seconds_to_ask));
  bhttp::async_read_header(stream_, buffer_, *parser_,
                           [self = shared_from_this()](beast::error_code error, std::size_t) { self->answer(error); });
}

void Session::answer(beast::error_code error) {
  leave_idle();
  if (shared_.ended) return;
  if (error) return refuse(error);
  const auto& request = parser_->get();
  const bool head_only = request.method() == bhttp::verb::head;
  // What follows a header that wasn't read to its end would be taken for the next request.
  const bool keep_alive = request.keep_alive() && parser_->is_done();
  write(answer_to(*parser_), head_only, keep_alive);
}

Response Session::answer_to(const Parser& parser) const {
  const auto& message = parser.get();
  if (message.method() != bhttp::verb::get && message.method() != bhttp::verb::head)
    return text_response(405, "This page can only be read: GET and HEAD.");
  if (!parser.is_done()) return text_response(400, "A request with a body: found one, expected none.");
  const std::optional<Request> request = parse_target(text_of(message.target()));
  if (!request) return text_response(400, "The address isn't one that a page here can have.");
  if (message.count(bhttp::field::host) > 1 || (message.version() >= 11 && message.count(bhttp::field::host) == 0))
    return text_response(400, "A request needs one Host, the name in its address.");
  const Credentials credentials{.host = text_of(message[bhttp::field::host]),
                                .cookies = text_of(message[bhttp::field::cookie]),
                                .authorization = text_of(message[bhttp::field::authorization])};
  if (std::optional<Response> instead = shared_.access.answer_instead(*request, credentials)) return *instead;
  try {
    return shared_.handler(*request);
  } catch (const Error& failure) {
    return text_response(500, failure.what());
  } catch (const std::exception&) {
    return text_response(500, "This couldn't be answered; others may be.");
  }
}

void Session::refuse(beast::error_code error) {
  // Gone, too slow, or closed to make room: nobody waits for an answer.
  if (error.category() != make_error_code(bhttp::error::bad_method).category() ||
      error == bhttp::error::end_of_stream || error == bhttp::error::partial_message)
    return close();
  const bool too_long = error == bhttp::error::header_limit || error == bhttp::error::buffer_overflow;
  write(too_long ? text_response(431, fmt::format("The request's header is longer than {} bytes.",
                                                  shared_.options.most_header_bytes))
                 : text_response(400, "This is no request of HTTP."),
        false, false);
}

void Session::write(const Response& response, bool head_only, bool keep_alive) {
  if (head_only) {
    auto message = std::make_shared<bhttp::response<bhttp::empty_body>>();
    set_fields(*message, response);
    message->content_length(response.body->size());
    message->keep_alive(keep_alive);
    return write(std::move(message));
  }
  auto message = std::make_shared<bhttp::response<bhttp::string_body>>();
  set_fields(*message, response);
  message->body() = *response.body;
  message->content_length(message->body().size());
  message->keep_alive(keep_alive);
  write(std::move(message));
}

template <typename Message>
void Session::write(std::shared_ptr<Message> message) {
  stream_.expires_after(duration(shared_.options.seconds_to_answer));
  bhttp::async_write(stream_, *message, [self = shared_from_this(), message](beast::error_code error, std::size_t) {
    if (error) return self->close();
    if (message->keep_alive()) return self->rest();
    self->linger();
  });
}

void Session::linger() {
  beast::error_code ignored;
  stream_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
  stream_.expires_after(std::chrono::seconds(1));
  drain();
}

void Session::drain() {
  constexpr std::size_t kMost = 1 << 18;
  stream_.async_read_some(boost::asio::buffer(drained_),
                          [self = shared_from_this()](beast::error_code error, std::size_t bytes) {
                            self->drained_bytes_ += bytes;
                            if (error || self->drained_bytes_ > kMost) return self->close();
                            self->drain();
                          });
}

}  // namespace convmixer::http

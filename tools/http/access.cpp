#include "http/access.hpp"

#include "convmixer/core/error.hpp"
#include "http/target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/random.h>
#include <utility>

namespace convmixer::http {
namespace {

/// Takes as long whatever is equal: how long it takes tells nothing of the token.
bool is_same_secret(std::string_view given, std::string_view token) {
  unsigned different = given.size() == token.size() ? 0U : 1U;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const char c = i < given.size() ? given[i] : '\0';
    different |= static_cast<unsigned char>(static_cast<unsigned char>(c) ^ static_cast<unsigned char>(token[i]));
  }
  return different == 0;
}

/// "localhost:8686" without its port; the port may be another one, of a tunnel.
std::string_view without_port(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  if (colon == std::string_view::npos || host.ends_with(']')) return host;
  const std::string_view port = host.substr(colon + 1);
  const bool is_number = std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
  return is_number ? host.substr(0, colon) : host;
}

std::string lower_case(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

/// `chosen` is such a name too, unless it is empty.
bool is_local_name(std::string_view host, std::string_view chosen) {
  constexpr std::array<std::string_view, 3> kNames{"localhost", "127.0.0.1", "[::1]"};
  const std::string name = lower_case(without_port(host));
  return std::ranges::find(kNames, name) != kNames.end() || (!chosen.empty() && name == chosen);
}

bool has_cookie(std::string_view cookies, std::string_view name, std::string_view token) {
  bool found = false;
  while (!cookies.empty()) {
    std::string_view one = cookies.substr(0, cookies.find(';'));
    cookies.remove_prefix(std::min(one.size() + 1, cookies.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    const std::size_t equals = std::min(one.find('='), one.size());
    if (one.substr(0, equals) == name) found |= is_same_secret(one.substr(std::min(equals + 1, one.size())), token);
  }
  return found;
}

std::string address_without_token(const Request& request) {
  std::string address;
  for (const char c : request.path) address += c == '/' ? "/" : percent_encoded({&c, 1});
  char separator = '?';
  for (const auto& [name, value] : request.query) {
    if (name == "token") continue;
    address += fmt::format("{}{}={}", std::exchange(separator, '&'), percent_encoded(name), percent_encoded(value));
  }
  return address;
}

}  // namespace

Access Access::local(std::string_view host) {
  Access access;
  if (!is_local_name(host, {})) access.host_ = lower_case(host);
  return access;
}

Access Access::by_token(std::string token, std::uint16_t port) {
  Access access;
  access.token_ = std::move(token);
  access.port_ = port;
  return access;
}

std::string Access::cookie_name() const { return fmt::format("convmixer-{}", port_); }

std::optional<Response> Access::answer_instead(const Request& request, const Credentials& credentials) const {
  if (token_.empty()) {
    if (is_local_name(credentials.host, host_)) return std::nullopt;
    return text_response(403, fmt::format("This page is for localhost, 127.0.0.1{} alone: found another name in the "
                                          "address.",
                                          host_.empty() ? " and [::1]" : ", [::1] and " + host_));
  }
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view authorization = credentials.authorization;
  if (authorization.starts_with(kBearer) && is_same_secret(authorization.substr(kBearer.size()), token_))
    return std::nullopt;
  if (request.query.contains("token")) {
    if (!is_same_secret(request.value("token"), token_))
      return text_response(
          403, "The token in the address is not that of this page: it is new each time the program starts.");
    Response response = text_response(303, "This page, without the token in its address.");
    response.location = address_without_token(request);
    // Lax, not Strict: the first address may be opened from a mail, and its answer is followed as from there.
    response.set_cookie = fmt::format("{}={}; Path=/; HttpOnly; SameSite=Lax", cookie_name(), token_);
    return response;
  }
  if (has_cookie(credentials.cookies, cookie_name(), token_)) return std::nullopt;
  return text_response(403, "This page needs the token of its address: open it as the program printed it.");
}

std::string random_token() {
  std::array<unsigned char, 16> bytes{};
  const ssize_t count = ::getrandom(bytes.data(), bytes.size(), 0);
  if (count != static_cast<ssize_t>(bytes.size())) fail("no random bytes for a token: {}", std::strerror(errno));
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace convmixer::http

/// Who may read a page: everybody on this machine, or who knows a secret.
#pragma once

#include "http/message.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace convmixer::http {

/// What of a request says who asks.
struct Credentials {
  std::string_view host{};           ///< of its header "Host"; empty if it has none
  std::string_view cookies{};        ///< "a=b; c=d"
  std::string_view authorization{};  ///< "Bearer TOKEN"
};

class Access {
 public:
  /// Those who reach this machine from itself. Pages of other sites don't: a name of theirs that leads here (DNS
  /// rebinding) is none of localhost, 127.0.0.1, [::1] and `host`, the name or address of this machine's that was
  /// chosen to be listened at, if one was, as addresses have it ("[::1]").
  [[nodiscard]] static Access local(std::string_view host = {});
  /// Those who know the token: from the address that the program prints ("?token=..."), from then on by a cookie, which
  /// is called after the port (browsers keep those of all ports together); or as "Authorization: Bearer TOKEN".
  [[nodiscard]] static Access by_token(std::string token, std::uint16_t port);

  /// Nothing if the request may be answered. Otherwise the answer: a refusal, or, to who had the token in the address,
  /// the cookie and the same address without it.
  [[nodiscard]] std::optional<Response> answer_instead(const Request& request, const Credentials& credentials) const;

  [[nodiscard]] const std::string& token() const noexcept { return token_; }

 private:
  [[nodiscard]] std::string cookie_name() const;

  std::string host_;  // as requests name it; empty if none was chosen
  std::string token_;
  std::uint16_t port_ = 0;
};

/// 128 bits of the system's generator, in hexadecimal. Throws Error when there are none.
[[nodiscard]] std::string random_token();

}  // namespace convmixer::http

/// What a web page's server is asked, and what it answers.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace convmixer::http {

/// A request that may be answered: its address is decoded and names no folder above. GET and HEAD are the same here.
struct Request {
  std::string path;                               ///< "/run", any bytes but NUL and other control characters
  std::multimap<std::string, std::string> query;  ///< what follows the '?', decoded

  /// The first value of a name; empty if there is none.
  [[nodiscard]] std::string value(const std::string& name) const {
    const auto found = query.find(name);
    return found == query.end() ? std::string() : found->second;
  }
};

struct Response {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::shared_ptr<const std::string> body = std::make_shared<const std::string>();
  /// Content-Security-Policy: what a browser lets a page do. A page that needs more says what.
  std::string policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
  std::string location{};    ///< where to look instead, for a status of 303
  std::string set_cookie{};  ///< what the browser is to send along from now on
};

[[nodiscard]] inline Response text_response(int status, std::string text) {
  return {.status = status, .body = std::make_shared<const std::string>(std::move(text) + "\n")};
}

}  // namespace convmixer::http

/// A client that sends what it is told to, browser or not.
#pragma once

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <utility>

namespace convmixer::testing_support {

class RawClient {
 public:
  explicit RawClient(std::uint16_t port, in_addr_t address_of_ours = INADDR_LOOPBACK)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval most{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(address_of_ours);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() {
    if (socket_ >= 0) ::close(socket_);
  }
  RawClient(RawClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), connected_(other.connected_), read_(std::move(other.read_)) {}
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  RawClient& operator=(RawClient&&) = delete;

  [[nodiscard]] bool connected() const noexcept { return connected_; }
  [[nodiscard]] int descriptor() const noexcept { return socket_; }

  /// False once the other side has closed.
  bool send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// One answer, with its body unless it answers a HEAD; what there was before the other side closed if that is less.
  std::string receive(bool head = false) {
    std::size_t end = 0;
    while ((end = read_.find("\r\n\r\n")) == std::string::npos)
      if (!more()) return std::exchange(read_, "");
    std::size_t bytes = end + 4;
    const std::size_t length = read_.find("Content-Length: ");
    if (!head && length < end) bytes += std::stoul(read_.substr(length + 16));
    while (read_.size() < bytes)
      if (!more()) break;
    std::string answer = read_.substr(0, bytes);
    read_.erase(0, bytes);
    return answer;
  }

  /// Whether the other side closes, having sent nothing more.
  bool is_closed() { return !more() && read_.empty(); }

 private:
  bool more() {
    char bytes[65536];
    const ssize_t count = ::recv(socket_, bytes, sizeof bytes, 0);
    if (count <= 0) return false;
    read_.append(bytes, static_cast<std::size_t>(count));
    return true;
  }

  int socket_;
  bool connected_ = false;
  std::string read_;
};

/// The answer to one request of a client that comes and goes.
inline std::string ask(std::uint16_t port, const std::string& target, const std::string& fields = "Host: localhost\r\n",
                       const std::string& method = "GET") {
  RawClient client(port);
  client.send(method + " " + target + " HTTP/1.1\r\n" + fields + "Connection: close\r\n\r\n");
  return client.receive(method == "HEAD");
}

inline std::string body_of(const std::string& answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

}  // namespace convmixer::testing_support

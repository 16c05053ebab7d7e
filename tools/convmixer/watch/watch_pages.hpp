/// What the pages of watched runs are made of, by address.
#pragma once

#include "http/message.hpp"
#include "watch/run_watch.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

namespace convmixer::tool {

/// "/" is the page, "/?run=a&run=b" with these runs ticked; it asks for "/run?id=a", a run with its curves, for
/// "/figures?id=a", what its weights look like and take for what, and for "/changes?since=N&told=...", what happened
/// since. document.md describes the last three.
class WatchPages {
 public:
  explicit WatchPages(const std::filesystem::path& folder, RunWatchOptions options = {});

  [[nodiscard]] http::Response answer(const http::Request& request);
  /// Whether a page asked within the last seconds: somebody looks.
  [[nodiscard]] bool is_looked_at() const;

 private:
  [[nodiscard]] http::Response page(const http::Request& request);
  [[nodiscard]] http::Response run(const http::Request& request);
  [[nodiscard]] http::Response changes(const http::Request& request);
  [[nodiscard]] http::Response figures(const http::Request& request);

  RunWatch runs_;
  std::string server_;  ///< changes with each start: a page of another one begins anew
  std::optional<std::chrono::steady_clock::time_point> asked_;
};

}  // namespace convmixer::tool

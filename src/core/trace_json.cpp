#include "convmixer/core/trace_json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iterator>
#include <unordered_map>

namespace convmixer {
namespace {

constexpr int kProcess = 1;

/// As a JSON string; bytes that are no UTF-8 become replacement characters.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Exact: a double would round nanoseconds away after some minutes.
std::string microseconds(std::int64_t nanoseconds) {
  return fmt::format("{}.{:03}", nanoseconds / 1000, nanoseconds % 1000);
}

/// The text of traces is long and says the same again and again: written straight, each name quoted once.
class Events {
 public:
  void metadata(int thread, const char* what, const char* key, const std::string& value) {
    add(R"({{"ph":"M","pid":{},"tid":{},"name":"{}","args":{{"{}":{}}}}})", kProcess, thread, what, key, value);
  }

  void span(int thread, const TraceSpan& span) {
    const auto [found, fresh] = names_.try_emplace(&span.name.text() /* interned */);
    if (fresh) {
      found->second = fmt::format(R"("name":{},"cat":{})", quoted(span.name.text()), quoted(span.name.operation()));
    }
    const std::string arguments = span.number < 0 ? "" : fmt::format(R"(,"args":{{"number":{}}})", span.number);
    add(R"({{"ph":"X","pid":{},"tid":{},{},"ts":{},"dur":{}{}}})", kProcess, thread, found->second,
        microseconds(span.begin), microseconds(span.end - span.begin), arguments);
  }

  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    if (!text_.empty()) text_ += ",\n";
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }

  std::string text_;
  std::unordered_map<const std::string*, std::string> names_;
};

}  // namespace

std::string to_trace_json(const Trace& trace, const std::string& process,
                          const std::map<std::string, std::string>& notes) {
  Events events;
  events.metadata(0, "process_name", "name", quoted(process));
  int thread = 0;
  for (const TraceTrack& track : trace.tracks) {
    ++thread;
    events.metadata(thread, "thread_name", "name", quoted(track.thread));
    events.metadata(thread, "thread_sort_index", "sort_index", fmt::format("{}", thread));
    for (const TraceSpan& span : track.spans) events.span(thread, span);
  }
  nlohmann::json other(notes);
  other["duration_ms"] = fmt::format("{:.6f}", static_cast<double>(trace.duration) * 1e-6);
  other["dropped_spans"] = fmt::format("{}", trace.dropped);
  return fmt::format("{{\"displayTimeUnit\":\"ms\",\n\"otherData\":{},\n\"traceEvents\":[\n{}\n]}}\n",
                     other.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), events.text());
}

}  // namespace convmixer

#include "convmixer/core/trace_json.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <iterator>
#include <unordered_map>

namespace convmixer {
namespace {

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
  explicit Events(int process) : process_(process) {}

  void metadata(int thread, const char* what, const char* key, const std::string& value) {
    add(R"({{"ph":"M","pid":{},"tid":{},"name":"{}","args":{{"{}":{}}}}})", process_, thread, what, key, value);
  }

  void span(int thread, const TraceSpan& span) {
    const auto [found, fresh] = names_.try_emplace(&span.name.text() /* interned */);
    if (fresh) {
      found->second = fmt::format(R"("name":{},"cat":{})", quoted(span.name.text()), quoted(span.name.operation()));
    }
    const std::string arguments = span.number < 0 ? "" : fmt::format(R"(,"args":{{"number":{}}})", span.number);
    add(R"({{"ph":"X","pid":{},"tid":{},{},"ts":{},"dur":{}{}}})", process_, thread, found->second,
        microseconds(span.begin), microseconds(span.end - span.begin), arguments);
  }

  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    if (!text_.empty()) text_ += ",\n";
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }

  int process_;
  std::string text_;
  std::unordered_map<const std::string*, std::string> names_;
};

}  // namespace

std::string to_trace_events(const Trace& trace, const std::string& process, int number) {
  Events events(number + 1);  // viewers take 0 for the system
  events.metadata(0, "process_name", "name", quoted(process));
  events.metadata(0, "process_sort_index", "sort_index", fmt::format("{}", number));
  int thread = 0;
  for (const TraceTrack& track : trace.tracks) {
    ++thread;
    events.metadata(thread, "thread_name", "name", quoted(track.thread));
    events.metadata(thread, "thread_sort_index", "sort_index", fmt::format("{}", thread));
    for (const TraceSpan& span : track.spans) events.span(thread, span);
  }
  return events.text();
}

std::string to_trace_json(const Trace& trace, const std::string& process,
                          const std::map<std::string, std::string>& notes) {
  const std::string events = to_trace_events(trace, process, 0);
  return to_trace_json(std::span(&events, 1), trace, notes);
}

std::string to_trace_json(std::span<const std::string> events, const Trace& whole,
                          const std::map<std::string, std::string>& notes) {
  nlohmann::json other(notes);
  other["duration_ms"] = fmt::format("{:.6f}", static_cast<double>(whole.duration) * 1e-6);
  other["dropped_spans"] = fmt::format("{}", whole.dropped);
  return fmt::format("{{\"displayTimeUnit\":\"ms\",\n\"otherData\":{},\n\"traceEvents\":[\n{}\n]}}\n",
                     other.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), fmt::join(events, ",\n"));
}

}  // namespace convmixer

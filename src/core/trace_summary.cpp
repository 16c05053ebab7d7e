#include "convmixer/core/trace_summary.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace convmixer {
namespace {

/// Calls body(span, time without the spans inside of it) for every span of a track; returns the time in spans.
template <typename Body>
std::int64_t for_each_own_time(const TraceTrack& track, const Body& body) {
  struct Open {
    const TraceSpan* span;
    std::int64_t inside;
  };
  std::vector<Open> open;
  std::int64_t covered = 0;
  const auto close_until = [&](std::int64_t time) {
    while (!open.empty() && open.back().span->end <= time) {
      const auto [span, inside] = open.back();
      open.pop_back();
      const std::int64_t length = span->end - span->begin;
      (open.empty() ? covered : open.back().inside) += length;
      body(*span, length - inside);
    }
  };
  for (const TraceSpan& span : track.spans) {
    close_until(span.begin);
    open.push_back({&span, 0});
  }
  if (!open.empty()) close_until(open.front().span->end);
  return covered;
}

}  // namespace

TraceSummary summarise(const Trace& trace, const std::string& main) {
  TraceSummary summary;
  summary.outside = trace.duration;
  std::map<std::string, OperationTime> operations;
  for (const TraceTrack& track : trace.tracks) {
    const bool is_main = track.thread == main;
    const std::int64_t in_spans = for_each_own_time(track, [&](const TraceSpan& span, std::int64_t own) {
      OperationTime& operation = operations[span.name.operation()];
      ++operation.spans;
      (is_main ? operation.on_main : operation.elsewhere) += own;
    });
    if (is_main) summary.outside -= in_spans;
    summary.threads.push_back({track.thread, in_spans});
  }
  for (auto& [name, operation] : operations) {
    operation.operation = name;
    summary.operations.push_back(std::move(operation));
  }
  std::ranges::stable_sort(summary.operations, [](const OperationTime& a, const OperationTime& b) {
    return std::tie(a.on_main, a.elsewhere) > std::tie(b.on_main, b.elsewhere);
  });
  return summary;
}

}  // namespace convmixer

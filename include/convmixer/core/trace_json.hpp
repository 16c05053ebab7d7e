/// Traces as files that ui.perfetto.dev and chrome://tracing open.
#pragma once

#include "convmixer/core/trace.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace convmixer {

/// The trace as a JSON object in Chrome's trace-event format (Google's document "Trace Event Format"): for each track a
/// complete event ("X") for every span, `operation` as its category, `number` among its arguments, times in
/// microseconds; metadata events name process and threads and put the tracks in order; `notes` are the object's
/// "otherData", besides duration_ms and dropped_spans.
[[nodiscard]] std::string to_trace_json(const Trace& trace, const std::string& process,
                                        const std::map<std::string, std::string>& notes);

/// The events of one among several processes, `number` counting them from 0, which stand in that order.
[[nodiscard]] std::string to_trace_events(const Trace& trace, const std::string& process, int number);
/// The object with the events of all of them. `whole` says how long they were recorded and how many spans found no
/// room, of all; its tracks aren't looked at.
[[nodiscard]] std::string to_trace_json(std::span<const std::string> events, const Trace& whole,
                                        const std::map<std::string, std::string>& notes);

}  // namespace convmixer
